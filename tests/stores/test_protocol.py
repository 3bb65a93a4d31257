from amplify_federation.stores.protocol import Record


def test_a_record_does_not_show_its_bytes():
    assert "canary" not in repr(Record("1", b"canary"))


def test_records_compare_by_version_and_bytes():
    assert Record("1", b"a") == Record("1", b"a")
    assert Record("1", b"a") != Record("2", b"a")
