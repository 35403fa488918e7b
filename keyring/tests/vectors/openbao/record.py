#!/usr/bin/env python3
"""Records what an OpenBao makes with its rings into outputs.json, for the tests that keys and data move from there to here.

    bao server -dev -dev-root-token-id=root -dev-listen-address=127.0.0.1:8400 &
    python3 record.py http://127.0.0.1:8400 root

The rings are those of backups/, restored, and some more, whose backups are in outputs.json as well. A call is a request to
be repeated elsewhere with the ring's name behind its path, and the data that must come back. Calls that need the HMAC key
of a version are marked: only backups take that along. All keys were made to be thrown away.
"""
import base64
import hashlib
import json
import pathlib
import sys
import urllib.request

HERE = pathlib.Path(__file__).parent
ADDRESS, TOKEN = sys.argv[1:3]


def b64(data):
    return base64.b64encode(data).decode()


MESSAGE, LONG, CONTEXT, DATA = b64(b"the quick brown fox"), b64(b"\x00\xff" * 70), b64(b"tenant 7"), b64(b"row 41")


HASHES = ["sha1", "sha2-224", "sha2-256", "sha2-384", "sha2-512", "sha3-224", "sha3-256", "sha3-384", "sha3-512"]


def ask(method, path, body=None):
    request = urllib.request.Request(
        f"{ADDRESS}/v1/{path}", method=method, headers={"X-Vault-Token": TOKEN},
        data=None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    return json.loads(text)["data"] if text else {}


def post(path, body):
    return ask("POST", "rec/" + path, body)


def ciphertexts(name, ring, version, calls):
    inputs = [{"plaintext": MESSAGE}, {"plaintext": ""}]
    if not ring["type"].startswith("rsa"):
        inputs += [{"plaintext": LONG, "associated_data": DATA}]
    else:
        inputs += [{"plaintext": b64(b"\x00" * 190)}]
    for body in inputs:
        if ring["derived"]:
            body = {**body, "context": CONTEXT}
        made = post(f"encrypt/{name}", {**body, "key_version": version})
        sent = {key: value for key, value in body.items() if key != "plaintext"}
        calls.append({"version": version, "path": "decrypt", "body": {**sent, "ciphertext": made["ciphertext"]},
                      "data": {"plaintext": body["plaintext"]}})
    if ring.get("convergent_encryption"):
        # Not with associated data: there the nonces differ on purpose.
        body = {"plaintext": MESSAGE, "context": CONTEXT, "key_version": version}
        calls.append({"version": version, "path": "encrypt", "body": body, "data": post(f"encrypt/{name}", body)})


def ways(key_type):
    """The options of signatures that both sides have."""
    if key_type.startswith("ecdsa"):
        for hash_name in HASHES:
            for marshaling in ["asn1", "jws"]:
                yield {"hash_algorithm": hash_name, "marshaling_algorithm": marshaling}
    elif key_type.startswith("rsa"):
        for hash_name in ["sha2-256", "sha2-384", "sha2-512"]:
            for salt in ["auto", "hash"]:
                yield {"hash_algorithm": hash_name, "salt_length": salt}
            yield {"hash_algorithm": hash_name, "signature_algorithm": "pkcs1v15"}
        yield {"signature_algorithm": "pkcs1v15", "marshaling_algorithm": "jws"}
    else:
        yield {}
        yield {"marshaling_algorithm": "jws"}


def signatures(name, ring, version, calls):
    for way in ways(ring["type"]):
        body = {**way, "input": LONG}
        if ring["derived"]:
            body["context"] = CONTEXT
        made = post(f"sign/{name}", {**body, "key_version": version})
        checked = {**body, "signature": made["signature"]}
        calls.append({"version": version, "path": "verify", "body": checked, "data": {"valid": True}})
    calls.append({"version": version, "path": "verify", "body": {**checked, "input": MESSAGE}, "data": {"valid": False}})
    if ring["type"].startswith(("ecdsa", "rsa")):
        digest = b64(hashlib.sha384(b"message").digest())
        body = {"input": digest, "prehashed": True, "hash_algorithm": "sha2-384"}
        made = post(f"sign/{name}", {**body, "key_version": version})
        calls.append({"version": version, "path": "verify", "body": {**body, "signature": made["signature"]}, "data": {"valid": True}})


def hmacs(name, ring, version, calls):
    for algorithm in HASHES if ring["type"] == "hmac" else HASHES[2:3]:
        body = {"input": MESSAGE, "algorithm": algorithm, "key_version": version}
        made = post(f"hmac/{name}", body)
        marked = {"version": version, "needs_hmac_key": ring["type"] != "hmac"}
        calls.append({**marked, "path": "hmac", "body": body, "data": {"hmac": made["hmac"]}})
        body = {"input": MESSAGE, "hash_algorithm": algorithm, "hmac": made["hmac"]}
        calls.append({**marked, "path": "verify", "body": body, "data": {"valid": True}})


def calls_of(name):
    ring = ask("GET", f"rec/keys/{name}")
    oldest = max(1, ring["min_available_version"])
    if ring["min_decryption_version"] > oldest:
        post(f"keys/{name}/config", {"min_decryption_version": oldest, "min_encryption_version": oldest})
    calls = []
    for version in range(oldest, ring["latest_version"] + 1):
        if ring["supports_encryption"]:
            ciphertexts(name, ring, version, calls)
        if ring["supports_signing"]:
            signatures(name, ring, version, calls)
        hmacs(name, ring, version, calls)
    return calls


def more_rings():
    """Rings of kinds that backups/ has not, with two versions each."""
    derived, convergent = {"derived": True}, {"derived": True, "convergent_encryption": True}
    for name, kind in {
        "aes128-derived": {"type": "aes128-gcm96", **derived},
        "aes256-derived": {"type": "aes256-gcm96", **derived},
        "chacha20-derived": {"type": "chacha20-poly1305", **derived},
        "xchacha20-derived": {"type": "xchacha20-poly1305", **derived},
        "aes128-convergent": {"type": "aes128-gcm96", **convergent},
        "chacha20-convergent": {"type": "chacha20-poly1305", **convergent},
        "xchacha20-convergent": {"type": "xchacha20-poly1305", **convergent},
        "aes256-rotated": {"type": "aes256-gcm96"},
        "ed25519-rotated": {"type": "ed25519"},
        "ed25519-derived-rotated": {"type": "ed25519", **derived},
        "ecdsa-p521-rotated": {"type": "ecdsa-p521"},
        "rsa-2048-rotated": {"type": "rsa-2048"},
        "hmac-rotated": {"type": "hmac", "key_size": 32},
    }.items():
        post(f"keys/{name}", {**kind, "exportable": True, "allow_plaintext_backup": True})
        post(f"keys/{name}/rotate", {})
        yield name
    # Keys that were imported, which OpenBao derives from in another way.
    for source, kind in {"aes256-derived": "aes256-gcm96", "chacha20-derived": "chacha20-poly1305"}.items():
        name = source.replace("derived", "imported-derived")
        wrapping = ask("GET", "rec/wrapping_key")["public_key"]
        blob = wrapped(wrapping, base64.b64decode(ask("GET", f"rec/export/encryption-key/{source}/1")["keys"]["1"]))
        post(f"keys/{name}/import", {"ciphertext": blob, "type": kind, **derived, "exportable": True, "allow_plaintext_backup": True})
        yield name


def wrapped(public_key, key):
    """A blob for import, made by openssl."""
    import subprocess
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "wrapping.pem").write_text(public_key)
        kek = bytes(range(32))
        encrypted = subprocess.run(
            ["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", f"{folder}/wrapping.pem", "-pkeyopt", "rsa_padding_mode:oaep",
             "-pkeyopt", "rsa_oaep_md:sha256"], input=kek, capture_output=True, check=True).stdout
        behind = subprocess.run(
            ["openssl", "enc", "-id-aes256-wrap-pad", "-e", "-K", kek.hex(), "-iv", "A65959A6"], input=key, capture_output=True,
            check=True).stdout
    return b64(encrypted + behind)


ask("POST", "sys/mounts/rec", {"type": "transit"})
rings = {}
for file in sorted((HERE / "backups").glob("*.txt")):
    post(f"restore/{file.stem}", {"backup": file.read_text().strip()})
    rings[file.stem] = {"calls": calls_of(file.stem)}
for name in more_rings():
    rings[name] = {"backup": ask("GET", f"rec/backup/{name}")["backup"], "calls": calls_of(name)}
rows = ",\n".join(
    f" {json.dumps(name)}: {{" + (f'"backup": {json.dumps(ring["backup"])}, ' if "backup" in ring else "") + '"calls": [\n  '
    + ",\n  ".join(json.dumps(call) for call in ring["calls"]) + "\n ]}"
    for name, ring in rings.items())
(HERE / "outputs.json").write_text("{\n" + rows + "\n}\n")
print(len(rings), "rings,", sum(len(ring["calls"]) for ring in rings.values()), "calls")
