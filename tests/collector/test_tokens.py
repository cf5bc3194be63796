from __future__ import annotations

import pytest

from collector import tokens


def test_token_proves_its_own_secret_only():
    one, other = tokens.new_token(), tokens.new_token()
    token_id, secret = tokens.split_token(one.text)
    assert token_id == one.id
    assert tokens.secret_matches(secret, one.secret_hash)
    assert not tokens.secret_matches(secret, other.secret_hash)
    assert secret.encode() not in one.secret_hash


@pytest.mark.parametrize("text", ["", "tm", "tm_1", "xx_1_2", "Bearer tm_1_2"])
def test_what_is_no_token(text):
    assert tokens.split_token(text) is None


def test_join_code_may_be_typed_as_people_type():
    code = tokens.new_join_code()
    assert len(code) == 14
    assert code.count("-") == 2
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert tokens.hash_join_code(typed) == tokens.hash_join_code(code)
    assert tokens.hash_join_code(tokens.new_join_code()) != tokens.hash_join_code(code)
