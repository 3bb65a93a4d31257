// A web application that signs its users in with openid-client, a certified client library.
import { createServer } from "node:http";
import * as openid from "openid-client";

const { DISCOVERY_URL, CLIENT_ID } = process.env;
const metadata = await (await fetch(DISCOVERY_URL)).json();
const config = new openid.Configuration(metadata, CLIENT_ID, undefined, openid.None());
openid.allowInsecureRequests(config); // loopback
openid.enableNonRepudiationChecks(config); // the ID token's signature is verified
const sessions = new Map();

const pages = {
  async "/login"(url, base) {
    const verifier = openid.randomPKCECodeVerifier();
    const [state, nonce] = [openid.randomState(), openid.randomNonce()];
    sessions.set(state, { verifier, nonce });
    const location = openid.buildAuthorizationUrl(config, {
      redirect_uri: `${base}/callback`,
      scope: "openid email",
      access_type: "offline", // for a refresh token, at Google
      prompt: "consent", // at each sign-in
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
      nonce,
    });
    return [302, { location: location.href }, ""];
  },

  async "/callback"(url) {
    const state = url.searchParams.get("state");
    const { verifier, nonce } = sessions.get(state);
    const tokens = await openid.authorizationCodeGrant(config, url, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    const user = await openid.fetchUserInfo(config, tokens.access_token, claims.sub);
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
    const kept = refreshed.refresh_token ?? tokens.refresh_token; // Google's stays good
    await openid.tokenRevocation(config, kept);
    const again = await openid
      .refreshTokenGrant(config, kept)
      .catch((error) => error.error);
    return [200, {}, `${user.email} ${refreshed.claims().sub} ${again} ${refreshed.id_token}`];
  },
};

const server = createServer(async (request, response) => {
  const base = `http://127.0.0.1:${server.address().port}`;
  const url = new URL(request.url, base);
  let answer = [404, {}, ""];
  try {
    if (pages[url.pathname]) answer = await pages[url.pathname](url, base);
  } catch (error) {
    answer = [403, {}, `refused: ${error.error ?? error.message}`];
  }
  response.writeHead(answer[0], { "content-type": "text/plain", ...answer[1] });
  response.end(answer[2]);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
