from tests.stores.redis_fixtures import *  # noqa: F403  # fixtures
