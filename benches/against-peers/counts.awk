# Of traces by `strace -ff -y`: system calls, bytes written to files, syncs.
/^[a-z_0-9]+\(/ {
    calls++
    name = substr($0, 1, index($0, "(") - 1)
    if (name ~ /^(fsync|fdatasync|syncfs|sync|sync_file_range|msync)$/) syncs++
    if (name ~ /^(write|writev|pwrite64|pwritev|pwritev2|sendfile|copy_file_range)$/ && $NF + 0 > 0) {
        # The target's path, as -y shows it: pipes and sockets have none, and these are no disks.
        split($0, part, /[<>]/)
        path = name == "copy_file_range" ? part[4] : part[2]
        if (path ~ /^\// && path !~ /^\/(dev|proc|sys)\//) bytes += $NF
    }
}
END { print calls + 0, bytes + 0, syncs + 0 }
