#!/usr/bin/env python3
# tries: to leave a process behind, in a session of its own, that goes on after the end
# refuses: persist
# outlives: ESCAPE_MARKER
import os
import signal
import time
from escape import done, fact

marker = fact("MARKER")
for ignored in [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]:
    signal.signal(ignored, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in range(3):
            try:
                os.close(descriptor)
            except OSError:
                pass
        # The marker in its name is how the harness finds it; it ends by itself after a minute.
        os.execvp("python3", ["python3", "-c", "import time; time.sleep(60)", marker])
    os._exit(0)
time.sleep(0.3)
done("left a process behind")
