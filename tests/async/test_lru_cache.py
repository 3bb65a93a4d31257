from amplify_federation._async.lru_cache import LruCache


def test_the_value_used_longest_ago_goes_first():
    recent = LruCache(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)


def test_a_value_can_be_replaced_and_dropped():
    recent = LruCache()
    recent.put("a", 1)
    recent.put("a", 2)
    assert recent.get("a") == 2
    recent.drop("a")
    recent.drop("a")
    assert recent.get("a") is None


def test_all_can_be_forgotten():
    recent = LruCache()
    recent.put("a", 1)
    recent.clear()
    assert recent.get("a") is None


def test_its_repr_shows_no_value():
    recent = LruCache()
    recent.put("a", "canary")
    assert "canary" not in repr(recent)
