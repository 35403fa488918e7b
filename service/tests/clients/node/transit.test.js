// Every transit call as node-vault makes it: its generated functions on the mount `transit`, its general ones on
// a mount of the test's own.
//
// `cargo test` starts a service for it. By hand, against one that nobody else uses:
//
//     cp package.json package-lock.json /tmp/node-clients && npm ci --prefix /tmp/node-clients
//     export VAULT_ADDR=http://127.0.0.1:8200 VAULT_TOKEN=... NODE_PATH=/tmp/node-clients/node_modules
//     node --test-reporter=tap transit.test.js

'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { after, before, test } = require('node:test');

const vault = require('node-vault');

const root = vault();
const MOUNT = 'node-vault';
const HELLO = encoded('hello');

let made = 0;

// A name that nobody else uses.
function fresh(word) {
    made += 1;
    return `${word}-${process.pid}-${made}`;
}

function encoded(data) {
    return Buffer.from(data).toString('base64');
}

function decoded(text) {
    return Buffer.from(text, 'base64');
}

// The bytes of a ciphertext, signature or HMAC, without its prefix and version.
function payload(text) {
    return decoded(text.split(':')[2]);
}

function at(path) {
    return `${MOUNT}/${path}`;
}

async function write(path, fields) {
    return (await root.write(at(path), fields)).data;
}

async function read(path) {
    return (await root.read(at(path))).data;
}

// The name of a new key.
async function key(settings = {}) {
    const name = fresh('key');
    await root.write(at(`keys/${name}`), settings);
    return name;
}

// What is done must fail with one of these statuses, and this text as its message.
async function refused(statuses, text, doing) {
    await assert.rejects(doing, (error) => {
        assert.ok(error.response, error);
        assert.ok([].concat(statuses).includes(error.response.statusCode), error.message);
        assert.ok(error.message.includes(text), error.message);
        return true;
    });
}

// The protocol answers some requests that are at fault with 500. The right status is as good.
const AT_FAULT = [400, 500];

before(async () => {
    await root.mount({
        mount_point: MOUNT, type: 'transit', default_key_type: 'aes256-gcm96',
    });
});

after(() => root.unmount({ mount_point: MOUNT }));

test('the generated functions make, read, list and delete a key', async () => {
    const name = fresh('generated');
    await root.transitCreateKey({ name, type: 'aes256-gcm96' });
    const { data } = await root.transitReadKey({ name });
    assert.deepEqual([data.name, data.type, data.latest_version], [name, 'aes256-gcm96', 1]);
    const listed = await root.transitListKeys();
    assert.ok(listed.data.keys.includes(name));
    await refused(400, 'deletion is not allowed', () => root.transitDeleteKey({ name }));
    await root.write(`transit/keys/${name}/config`, { deletion_allowed: true });
    await root.transitDeleteKey({ name });
    await refused(404, 'Status 404', () => root.transitReadKey({ name }));
});

test('the generated functions encrypt, decrypt and rewrap', async () => {
    const name = fresh('generated');
    await root.transitCreateKey({ name });
    const old = (await root.encryptData({ name, plaintext: HELLO })).data.ciphertext;
    assert.match(old, /^vault:v1:/);
    assert.equal((await root.decryptData({ name, ciphertext: old })).data.plaintext, HELLO);
    await root.write(`transit/keys/${name}/rotate`, {});
    const renewed = (await root.rewrapData({ name, ciphertext: old })).data.ciphertext;
    assert.match(renewed, /^vault:v2:/);
    assert.equal((await root.decryptData({ name, ciphertext: renewed })).data.plaintext, HELLO);
});

test('the generated functions do batches', async () => {
    const name = fresh('generated');
    await root.transitCreateKey({ name });
    const plain = Array.from({ length: 20 }, (_, number) => ({ plaintext: encoded(`${number}`) }));
    const sealed = (await root.encryptData({ name, batch_input: plain })).data.batch_results;
    const items = sealed.map(({ ciphertext }) => ({ ciphertext }));
    const opened = (await root.decryptData({ name, batch_input: items })).data.batch_results;
    assert.deepEqual(opened.map((one) => one.plaintext), plain.map((one) => one.plaintext));
});

test('there is no other generated function for transit', () => {
    // A new release of node-vault may have more, which then want tests.
    const paths = Object.entries(root.commands).filter(([, { path }]) => /^\/transit\//.test(path));
    assert.deepEqual(paths.map(([name]) => name).sort(), [
        'decryptData', 'encryptData', 'rewrapData', 'transitCreateKey', 'transitDeleteKey',
        'transitListKeys', 'transitReadKey',
    ]);
});

test('every type of key is made', async () => {
    const types = [
        'aes128-gcm96', 'aes256-gcm96', 'chacha20-poly1305', 'xchacha20-poly1305', 'ed25519',
        'ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'rsa-2048', 'rsa-3072', 'rsa-4096',
    ];
    for (const type of types) {
        const data = await read(`keys/${await key({ type })}`);
        assert.deepEqual([data.type, Object.keys(data.keys)], [type, ['1']]);
    }
    const data = await read(`keys/${await key({ type: 'hmac', key_size: 32 })}`);
    assert.deepEqual([data.type, data.key_size], ['hmac', 32]);
});

test('keys are listed with and without a verb of HTTP of their own', async () => {
    const name = await key();
    const plain = vault({ noCustomHTTPVerbs: true });
    for (const client of [root, plain]) {
        const { data } = await client.list(at('keys'));
        assert.ok(data.keys.includes(name));
    }
});

test('settings are changed', async () => {
    const name = await key();
    await write(`keys/${name}/rotate`, {});
    await write(`keys/${name}/rotate`, {});
    await write(`keys/${name}/config`, {
        min_decryption_version: 2, min_encryption_version: 3, deletion_allowed: true,
        exportable: true, allow_plaintext_backup: true, auto_rotate_period: '2h',
    });
    const data = await read(`keys/${name}`);
    assert.equal(data.min_decryption_version, 2);
    assert.equal(data.min_encryption_version, 3);
    assert.equal(data.auto_rotate_period, 7200);
    assert.ok(data.deletion_allowed && data.exportable && data.allow_plaintext_backup);
    await refused(400, 'latest key version is 3', () => write(`keys/${name}/config`, {
        min_decryption_version: 4,
    }));
});

test('versions are trimmed', async () => {
    const name = await key();
    for (let turn = 0; turn < 3; turn += 1) {
        await write(`keys/${name}/rotate`, {});
    }
    await refused(400, 'encryption version is not set', () => write(`keys/${name}/trim`, {
        min_available_version: 2,
    }));
    await write(`keys/${name}/config`, { min_decryption_version: 2, min_encryption_version: 2 });
    await write(`keys/${name}/trim`, { min_available_version: 2 });
    assert.equal((await read(`keys/${name}`)).min_available_version, 2);
});

test('a key is soft-deleted and restored', async () => {
    const name = await key();
    await root.delete(at(`keys/${name}/soft-delete`));
    await refused(AT_FAULT, 'soft-deleted', () => write(`encrypt/${name}`, { plaintext: HELLO }));
    await write(`keys/${name}/soft-delete-restore`, {});
    await write(`encrypt/${name}`, { plaintext: HELLO });
});

test('context and associated data are bound', async () => {
    const context = encoded('context');
    const name = await key({ derived: true });
    const { ciphertext } = await write(`encrypt/${name}`, { plaintext: HELLO, context });
    const opened = await write(`decrypt/${name}`, { ciphertext, context });
    assert.equal(opened.plaintext, HELLO);
    await refused(400, "missing 'context'", () => write(`decrypt/${name}`, { ciphertext }));
    const other = await key();
    const sealed = await write(`encrypt/${other}`, { plaintext: HELLO, associated_data: context });
    await refused(400, 'message authentication failed', () => write(`decrypt/${other}`, {
        ciphertext: sealed.ciphertext,
    }));
});

test('a batch that fails in part has its results in the error', async () => {
    const name = await key();
    const batch = [{ plaintext: HELLO }, { plaintext: '!' }];
    await assert.rejects(() => write(`encrypt/${name}`, { batch_input: batch }), (error) => {
        const results = error.response.body.data.batch_results;
        assert.equal(error.response.statusCode, 400);
        assert.match(results[0].ciphertext, /^vault:v1:/);
        assert.match(results[1].error, /illegal base64/);
        return true;
    });
});

test('data keys come with and without their text', async () => {
    const name = await key();
    for (const bits of [128, 256, 512]) {
        const data = await write(`datakey/plaintext/${name}`, { bits });
        assert.equal(decoded(data.plaintext).length, bits / 8);
        const opened = await write(`decrypt/${name}`, { ciphertext: data.ciphertext });
        assert.equal(opened.plaintext, data.plaintext);
    }
    assert.equal((await write(`datakey/wrapped/${name}`, {})).plaintext, undefined);
});

test('hashes and HMACs are those of the platform', async () => {
    const name = await key({ exportable: true });
    const secret = decoded((await read(`export/hmac-key/${name}`)).keys['1']);
    for (const [algorithm, known] of [
        ['sha2-224', 'sha224'], ['sha2-256', 'sha256'], ['sha2-384', 'sha384'],
        ['sha2-512', 'sha512'], ['sha3-224', 'sha3-224'], ['sha3-256', 'sha3-256'],
        ['sha3-384', 'sha3-384'], ['sha3-512', 'sha3-512'],
    ]) {
        const { sum } = await write('hash', { input: HELLO, algorithm });
        assert.equal(sum, crypto.createHash(known).update('hello').digest('hex'));
        const { hmac } = await write(`hmac/${name}/${algorithm}`, { input: HELLO });
        const expected = crypto.createHmac(known, secret).update('hello').digest();
        assert.deepEqual(payload(hmac), expected);
        const { valid } = await write(`verify/${name}/${algorithm}`, { input: HELLO, hmac });
        assert.equal(valid, true);
    }
    await refused(400, 'unsupported', () => write('hash/meow2-256', { input: HELLO }));
});

test('random bytes come in two encodings', async () => {
    const { random_bytes: base64 } = await write('random/32', {});
    assert.equal(decoded(base64).length, 32);
    const { random_bytes: hex } = await write('random', { bytes: 20, format: 'hex' });
    assert.match(hex, /^[0-9a-f]{40}$/);
    await refused(400, 'should be less than', () => write('random', { bytes: 200_000 }));
});

test('signatures are believed by the platform', async () => {
    for (const [type, options, digest, checked] of [
        ['ecdsa-p256', {}, 'sha256', {}],
        ['ecdsa-p384', { hash_algorithm: 'sha2-384' }, 'sha384', {}],
        ['ecdsa-p521', { hash_algorithm: 'sha2-512' }, 'sha512', {}],
        ['rsa-2048', { signature_algorithm: 'pkcs1v15' }, 'sha256', {}],
        ['rsa-2048', { salt_length: 'hash' }, 'sha256', {
            padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
            saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST,
        }],
        ['ecdsa-p256', { marshaling_algorithm: 'jws' }, 'sha256', { dsaEncoding: 'ieee-p1363' }],
    ]) {
        const name = await key({ type });
        const { signature } = await write(`sign/${name}`, { input: HELLO, ...options });
        const public_key = (await read(`keys/${name}`)).keys['1'].public_key;
        const encoding = options.marshaling_algorithm ? 'base64url' : 'base64';
        const bytes = Buffer.from(signature.split(':')[2], encoding);
        const known = { key: public_key, ...checked };
        assert.ok(crypto.verify(digest, Buffer.from('hello'), known, bytes), type);
        const fields = { input: HELLO, signature, ...options };
        assert.equal((await write(`verify/${name}`, fields)).valid, true);
        fields.input = encoded('other');
        assert.equal((await write(`verify/${name}`, fields)).valid, false);
    }
});

test('ed25519 signs', async () => {
    const name = await key({ type: 'ed25519' });
    const { signature } = await write(`sign/${name}`, { input: HELLO });
    const x = decoded((await read(`keys/${name}`)).keys['1'].public_key).toString('base64url');
    const known = crypto.createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    assert.ok(crypto.verify(null, Buffer.from('hello'), known, payload(signature)));
});

test('keys are exported', async () => {
    const name = await key({ type: 'rsa-2048', exportable: true });
    const { keys } = await read(`export/encryption-key/${name}/latest`);
    const { ciphertext } = await write(`encrypt/${name}`, { plaintext: HELLO });
    const known = { key: keys['1'], oaepHash: 'sha256' };
    const opened = crypto.privateDecrypt(known, payload(ciphertext));
    assert.equal(opened.toString(), 'hello');
    await refused(400, 'not exportable', async () => read(`export/hmac-key/${await key()}`));
    await refused(404, 'Status 404', () => read(`export/hmac-key/${fresh('key')}`));
});

test('a key is backed up and restored', async () => {
    const name = await key({ exportable: true, allow_plaintext_backup: true });
    const { ciphertext } = await write(`encrypt/${name}`, { plaintext: HELLO });
    const { backup } = await read(`backup/${name}`);
    const copy = fresh('copy');
    await root.write(at(`restore/${copy}`), { backup });
    assert.equal((await write(`decrypt/${copy}`, { ciphertext })).plaintext, HELLO);
    await refused(500, 'already exists', () => root.write(at('restore'), { backup }));
    await refused(500, 'disallowed', async () => read(`backup/${await key()}`));
});

test('a key is imported', async () => {
    const { public_key: wrapping } = await read('wrapping_key');
    const ephemeral = crypto.randomBytes(32);
    const material = crypto.randomBytes(32);
    const outer = crypto.publicEncrypt({ key: wrapping, oaepHash: 'sha256' }, ephemeral);
    const iv = Buffer.from('a65959a6', 'hex');
    const wrap = crypto.createCipheriv('id-aes256-wrap-pad', ephemeral, iv);
    const inner = Buffer.concat([wrap.update(material), wrap.final()]);
    const ciphertext = Buffer.concat([outer, inner]).toString('base64');
    const name = fresh('imported');
    await root.write(at(`keys/${name}/import`), { ciphertext, exportable: true });
    const { keys } = await read(`export/encryption-key/${name}`);
    assert.equal(keys['1'], material.toString('base64'));
    await root.write(at(`keys/${name}/import_version`), { ciphertext });
    assert.equal((await read(`keys/${name}`)).latest_version, 2);
    await refused(AT_FAULT, '', () => root.write(at(`keys/${name}/import`), { ciphertext }));
});

test('a key is sent wrapped under another', async () => {
    const [source, to] = [await key({ exportable: true }), await key({ type: 'rsa-2048' })];
    const { keys } = await read(`byok-export/${to}/${source}`);
    assert.equal(decoded(keys['1']).length, 256 + 40);
});

test('two sides agree on a key', async () => {
    const base = await key({ type: 'ecdsa-p256' });
    const { publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const name = fresh('agreed');
    await root.write(at(`derive-key/${name}`), {
        key_derivation_algorithm: 'ecdh',
        base_key_name: base,
        peer_public_key: publicKey.export({ type: 'spki', format: 'pem' }),
    });
    assert.equal((await read(`keys/${name}`)).type, 'aes256-gcm96');
});

test('the mount is configured', async () => {
    await root.write(at('config/keys'), { disable_upsert: false });
    const name = fresh('upserted');
    await write(`encrypt/${name}`, { plaintext: HELLO });
    await root.write(at('config/keys'), { disable_upsert: true });
    assert.deepEqual(await read('config/keys'), { disable_upsert: true });
    await refused(400, 'encryption key not found', () => write(`encrypt/${fresh('none')}`, {
        plaintext: HELLO,
    }));
    await root.write(at('cache-config'), { size: 123 });
    assert.deepEqual(await read('cache-config'), { size: 123 });
});

test('errors have the status and the text of the protocol', async () => {
    const name = await key();
    const stranger = vault({ token: 'none' });
    await refused(403, 'permission denied', () => stranger.read(at(`keys/${name}`)));
    await refused(404, 'no handler for route', () => root.read(`${fresh('nowhere')}/keys/x`));
    await refused(400, 'missing plaintext', () => write(`encrypt/${name}`, {}));
    await refused(400, 'no prefix', () => write(`decrypt/${name}`, { ciphertext: 'x' }));
    await refused(400, 'signing key not found', () => write(`sign/${fresh('none')}`, {
        input: HELLO,
    }));
    await refused(405, 'unsupported operation', () => root.delete(at(`encrypt/${name}`)));
});
