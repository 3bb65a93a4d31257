// Amplify JS v6: a guest's session, and that of a user of a user pool.
import {
  CognitoAWSCredentialsAndIdentityIdProvider,
  DefaultIdentityIdStore,
} from "@aws-amplify/auth/cognito";
import { Amplify, decodeJWT, fetchAuthSession, sharedInMemoryStorage } from "@aws-amplify/core";

const given = JSON.parse(process.env.GIVEN);
const identities = new DefaultIdentityIdStore(sharedInMemoryStorage);
const credentialsProvider = new CognitoAWSCredentialsAndIdentityIdProvider(identities);
let tokens;
Amplify.configure(
  {
    Auth: {
      Cognito: {
        identityPoolId: given.pool,
        identityPoolEndpoint: given.url,
        allowGuestAccess: true,
        userPoolId: given.userPool,
        userPoolClientId: given.client,
      },
    },
  },
  { Auth: { credentialsProvider, tokenProvider: { getTokens: async () => tokens } } },
);

async function session() {
  const { identityId, credentials } = await fetchAuthSession({ forceRefresh: true });
  return { identityId, sessionToken: credentials.sessionToken };
}

const guest = await session();
const token = decodeJWT(given.token);
tokens = { idToken: token, accessToken: token };
const user = await session();
console.log(JSON.stringify({ guest, user }));
