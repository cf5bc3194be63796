"""Another identity from the collector: on disk before it is used, and nothing but the name and the token."""

import pytest

from agent.config import Identity, load_identity, save_identity
from agent.configuration import Configuration
from agent.errors import ConfigurationError
from agent.renewal import take_identity

OLD = Identity("https://h", "device-1", "tm_0123_old-token-000000", "/ca.pem", Configuration(30, 60))
NEW_TOKEN = "tm_4567_new-token-000000"  # of no collector


@pytest.fixture
def state_dir(tmp_path):
    save_identity(tmp_path, OLD)
    return tmp_path


@pytest.mark.parametrize("device_id", ["device-1", "device-2"])
def test_name_and_token_are_taken_and_kept(state_dir, device_id):
    renewed = take_identity(state_dir, OLD, {"device_id": device_id, "token": NEW_TOKEN})
    assert load_identity(state_dir) == renewed
    assert renewed == Identity("https://h", device_id, NEW_TOKEN, "/ca.pem", Configuration(30, 60))


def test_where_to_report_and_whom_to_trust_cannot_be_told(state_dir):
    offered = {"device_id": "device-1", "token": NEW_TOKEN, "collector_url": "http://evil", "ca_file": None}
    renewed = take_identity(state_dir, OLD, offered)
    assert (renewed.collector_url, renewed.ca_file) == ("https://h", "/ca.pem")


@pytest.mark.parametrize(
    "offered",
    [
        None,
        [],
        {},
        {"device_id": "device-1"},
        {"device_id": "device-1", "token": ""},
        {"device_id": "device-1", "token": "short"},
        {"device_id": "", "token": NEW_TOKEN},
        {"device_id": "a/b", "token": NEW_TOKEN},
        {"device_id": "device-1", "token": NEW_TOKEN + "\r\nX: y"},
        {"device_id": 1, "token": NEW_TOKEN},
        {"device_id": "device-1", "token": OLD.token},
    ],
)
def test_what_is_no_other_identity_changes_nothing(state_dir, offered):
    assert take_identity(state_dir, OLD, offered) is None
    assert load_identity(state_dir) == OLD


def test_a_person_who_enrolled_meanwhile_goes_before(state_dir):
    by_hand = Identity("https://h", "device-9", "tm_9999_by-hand-000000")
    save_identity(state_dir, by_hand)
    with pytest.raises(ConfigurationError, match="replaced meanwhile"):
        take_identity(state_dir, OLD, {"device_id": "device-1", "token": NEW_TOKEN})
    assert load_identity(state_dir) == by_hand
