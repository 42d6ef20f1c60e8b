//! Bodies of the fleet's protocol. What is read is written as it is read again.
#![no_main]

use aq_fleet::protocol::{
    Claim, Claimed, Done, DrainOrder, Events, FactoryPage, FeedEvent, Heartbeat, HeartbeatAnswer,
    JobPage, JobQuery, JobView, PageQuery, Problem, Register, Registered, Release, Renew, Renewed,
    Report, Stats, Submit, Submitted,
};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn there_and_back<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let text = serde_json::to_string(&value).expect("what was read can be written");
    let again: T = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(serde_json::to_string(&again).expect("again"), text);
}

fuzz_target!(|bytes: &[u8]| {
    there_and_back::<Claim>(bytes);
    there_and_back::<Claimed>(bytes);
    there_and_back::<Done>(bytes);
    there_and_back::<DrainOrder>(bytes);
    there_and_back::<Events>(bytes);
    there_and_back::<FactoryPage>(bytes);
    there_and_back::<FeedEvent>(bytes);
    there_and_back::<Heartbeat>(bytes);
    there_and_back::<HeartbeatAnswer>(bytes);
    there_and_back::<JobPage>(bytes);
    there_and_back::<JobQuery>(bytes);
    there_and_back::<JobView>(bytes);
    there_and_back::<PageQuery>(bytes);
    there_and_back::<Problem>(bytes);
    there_and_back::<Register>(bytes);
    there_and_back::<Registered>(bytes);
    there_and_back::<Release>(bytes);
    there_and_back::<Renew>(bytes);
    there_and_back::<Renewed>(bytes);
    there_and_back::<Report>(bytes);
    there_and_back::<Stats>(bytes);
    there_and_back::<Submit>(bytes);
    there_and_back::<Submitted>(bytes);
});
