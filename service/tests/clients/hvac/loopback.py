"""Servers that the service under test asks: the keys of an issuer, and a Kubernetes API."""

import contextlib
import http.server
import json
import ssl
import tempfile
import threading

import jwt

import pki


class Loopback:
    """An HTTPS server on a free port of this machine. It runs until it is stopped."""

    def __init__(self):
        self.ca = pki.Certificate("Test CA of a loopback server", is_ca=True)
        # The method, path and headers of each request.
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.answer(b"")

            def do_POST(self):
                self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def answer(self, body):
                outer.requests.append((self.command, self.path, dict(self.headers)))
                status, content = outer.answer(self.command, self.path, self.headers, body)
                encoded = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # A client that hangs up in the handshake is no news.
        self.server.handle_error = lambda *_: None
        with tempfile.TemporaryDirectory() as directory:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pki.on_this_machine(self.ca).write(directory, "server"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, method, path, headers, body):
        raise NotImplementedError


class KeyServer(Loopback):
    """Publishes a JWKS, which may change or be away."""

    def __init__(self, *jwks):
        self.jwks = list(jwks)
        self.away = False
        super().__init__()

    def answer(self, method, path, headers, body):
        if self.away:
            return 503, {}
        if (method, path) == ("GET", "/keys"):
            return 200, {"keys": self.jwks}
        return 404, {}


class KubernetesApi(Loopback):
    """Reviews tokens (authentication.k8s.io/v1) of service accounts it knows the issuer's key of.

    `revoked` are tokens that are right and yet not accepted any more.
    """

    PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
    AUDIENCE = "https://kubernetes.default.svc.cluster.local"

    def __init__(self, public_key, reviewer=None):
        self.public_key = public_key
        self.reviewer = reviewer
        self.revoked = set()
        # What was asked, as it came.
        self.reviews = []
        super().__init__()

    def answer(self, method, path, headers, body):
        if (method, path) != ("POST", self.PATH):
            return 404, failure(404, "NotFound", "the server could not find the requested resource")
        if not self.may_review(headers.get("Authorization", "")):
            return 401, failure(401, "Unauthorized", "Unauthorized")
        try:
            asked = json.loads(body)
            spec = asked["spec"]
            token = spec["token"]
        except (ValueError, KeyError, TypeError):
            return 400, failure(400, "BadRequest", "the body is no TokenReview")
        # What is left out is clear from the path.
        version = asked.get("apiVersion", "authentication.k8s.io/v1")
        kind = asked.get("kind", "TokenReview")
        if (version, kind) != ("authentication.k8s.io/v1", "TokenReview"):
            return 400, failure(400, "BadRequest", "the body is no TokenReview")
        self.reviews.append(asked)
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "metadata": {"creationTimestamp": None},
            "spec": spec,
            "status": self.status(token, spec.get("audiences")),
        }
        return 201, review

    def may_review(self, authorization):
        token = authorization.removeprefix("Bearer ")
        if self.reviewer is not None:
            return token == self.reviewer
        return self.claims(token) is not None

    def claims(self, token):
        with contextlib.suppress(jwt.PyJWTError):
            options = {"verify_aud": False, "require": ["exp"]}
            return jwt.decode(token, self.public_key, algorithms=["RS256"], options=options)

    def status(self, token, audiences):
        claims = self.claims(token)
        if claims is None or token in self.revoked:
            return {"user": {}, "error": "[invalid bearer token, service account token is not valid]"}
        own = claims.get("aud", self.AUDIENCE)
        own = [own] if isinstance(own, str) else own
        wanted = audiences or [self.AUDIENCE]
        shared = [one for one in own if one in wanted]
        if audiences and not shared:
            return {"user": {}, "error": "[invalid bearer token, token audiences do not match]"}
        account = claims["kubernetes.io"]
        namespace, of = account["namespace"], account["serviceaccount"]
        user = {
            "username": f"system:serviceaccount:{namespace}:{of['name']}",
            "uid": of["uid"],
            "groups": [
                "system:serviceaccounts",
                f"system:serviceaccounts:{namespace}",
                "system:authenticated",
            ],
        }
        return {"authenticated": True, "user": user, "audiences": shared or wanted}


def failure(code, reason, message):
    """A Kubernetes Status."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
