// A certified OpenID provider (npm oidc-provider) with keys that rotate on demand, for tests.
//
//   PORT=4466 node scripts/tools/issuer.mjs     prints `listening URL` when it is ready
//
// POST /token    client_credentials of client `gw`, resource `urn:api`: a JWT access token, RS256
// POST /rotate   new keys from now on; tokens of the old ones stop verifying once the key set is fetched anew
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import path from 'node:path';

// The packages are where scripts/setup put them, not beside this file.
const tools = path.resolve(path.dirname(new URL(import.meta.url).pathname), '../../.tools/node/');
const load = (name) => import(pathToFileURL(createRequire(tools + '/').resolve(name)));
const { Provider } = await load('oidc-provider');
const jose = await load('jose');

const PORT = Number(process.env.PORT);
const ISSUER = `http://127.0.0.1:${PORT}`;
let generation = 0;

async function provider() {
  generation += 1;
  const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
  const key = { ...(await jose.exportJWK(privateKey)), kid: `rsa-${generation}`, use: 'sig', alg: 'RS256' };
  const it = new Provider(ISSUER, {
    jwks: { keys: [key] },
    clients: [{
      client_id: 'gw', client_secret: 'gw-secret', grant_types: ['client_credentials'], redirect_uris: [],
      response_types: [], token_endpoint_auth_method: 'client_secret_post',
    }],
    cookies: { keys: ['tests-only'] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:api',
        getResourceServerInfo: () => ({ scope: 'read', audience: 'my-api', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } }, accessTokenTTL: 600 }),
      },
    },
  });
  return it.callback();
}

let serve = await provider();
createServer(async (request, response) => {
  if (request.url === '/rotate') {
    serve = await provider();
    response.end(`rsa-${generation}\n`);
  } else {
    serve(request, response);
  }
}).listen(PORT, '127.0.0.1', () => console.log('listening', ISSUER));
