"""A game whose players keep scores and pictures with their own rights, through a renewal."""

import contextlib
from asyncio import to_thread

import pytest

from amplify_federation import EncryptedFileStore
from amplify_federation.integrations.boto import aiobotocore_session, boto3_session

boto3 = pytest.importorskip("boto3")
pytest.importorskip("aiobotocore")

ONE_HOUR = 3600.0


@pytest.fixture
def anyio_backend():
    """aiobotocore is asyncio's."""
    return "asyncio"


@pytest.fixture
def aws(moto, monkeypatch):
    """DynamoDB and S3 by moto, with the game's table and bucket."""
    owner = boto3.Session("owner", "of the account", region_name="us-west-2")
    dynamodb, s3 = (owner.client(name, endpoint_url=moto) for name in ("dynamodb", "s3"))
    # botocore repeats a request whose answer was lost, and then hears that the table is there.
    with contextlib.suppress(dynamodb.exceptions.ResourceInUseException):
        dynamodb.create_table(
            TableName="scores",
            KeySchema=[{"AttributeName": "player", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "player", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(
            Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
    dynamodb.close()
    s3.close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)


async def save_game(auth, score, picture):
    """What the game does: a score by aiobotocore, a picture by boto3 in a thread."""
    player = (await auth.fetch_auth_session()).identity_id
    async with aiobotocore_session(auth).create_client("dynamodb") as dynamodb:
        item = {"player": {"S": player}, "score": {"N": str(score)}}
        await dynamodb.put_item(TableName="scores", Item=item)
    s3 = boto3_session(auth).client("s3")
    await to_thread(s3.put_object, Bucket="pictures", Key=f"{player}/me.png", Body=picture)
    s3.close()
    return player


@pytest.mark.usefixtures("aws")
async def test_a_player_keeps_score_and_picture_through_a_renewal(
    open_auth, sign_in, fake, tmp_path
):
    async with open_auth(store=EncryptedFileStore(tmp_path / "sessions")) as auth:
        first = await sign_in(auth)
        player = await save_game(auth, 100, b"a picture")

        fake.advance(ONE_HOUR)  # in the middle of the game the credentials are over
        assert await save_game(auth, 250, b"a better picture") == player == first.identity_id

        renewed = (await auth.fetch_auth_session()).credentials
        assert renewed != first.credentials
        assert [call.operation for call in fake.calls] == [
            "GetId",
            "GetCredentialsForIdentity",
            "GetCredentialsForIdentity",
        ]
        session = boto3_session(auth)

        def stored():
            dynamodb, s3 = session.client("dynamodb"), session.client("s3")
            item = dynamodb.get_item(TableName="scores", Key={"player": {"S": player}})["Item"]
            body = s3.get_object(Bucket="pictures", Key=f"{player}/me.png")["Body"]
            with body:
                picture = body.read()
            dynamodb.close()
            s3.close()
            return item["score"]["N"], picture

        assert await to_thread(stored) == ("250", b"a better picture")
