"""Client certificates judged beside pyca/cryptography's verifier, shown by OpenSSL's handshake."""

import datetime
import http.client
import ipaddress
import json
import pathlib
import ssl
import tempfile
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from gateway import Gateway, Server, Suite

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
HEADER = "x-amzn-mtls-clientcert"


def name(*parts):
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def common(text):
    return name((NameOID.COMMON_NAME, text))


class Authority:
    """One that issues certificates; a root, or below another."""

    def __init__(self, subject, above=None, path_length=None, is_ca=True):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject, self.above = subject, above
        self.certificate = build(subject, self.key, above or self, [
            (x509.BasicConstraints(is_ca, path_length if is_ca else None), True),
            (usage(is_ca), True)])

    def chain(self):
        """What its clients send behind their own: not the root."""
        return [] if self.above is None else [self.certificate, *self.above.chain()]

    def client(self, subject=common("client"), purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,),
               key=None, **times):
        key = key or ec.generate_private_key(ec.SECP256R1())
        extensions = [(x509.BasicConstraints(False, None), True),
                      (x509.SubjectAlternativeName([x509.DNSName("client.example")]), False)]
        if purposes:
            extensions.append((x509.ExtendedKeyUsage(purposes), False))
        return [build(subject, key, self, extensions, **times), *self.chain()], key


def usage(is_ca):
    return x509.KeyUsage(digital_signature=True, key_cert_sign=is_ca, crl_sign=is_ca,
                         content_commitment=False, key_encipherment=False, data_encipherment=False,
                         key_agreement=False, encipher_only=False, decipher_only=False)


def build(subject, key, issuer, extensions, start=NOW - 10 * DAY, end=NOW + 10 * DAY):
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(start).not_valid_after(end))
    extensions = extensions + [
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False)]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key, hashes.SHA256())


def pem(*certificates):
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def cases(root):
    """By name: a chain, leaf first, and its key."""
    stranger = Authority(root.subject)
    middle = Authority(common("middle"), root)
    narrow = Authority(common("narrow"), root, path_length=0)
    below = Authority(common("below the narrow"), narrow)
    no_authority = Authority(common("no authority"), root, is_ca=False)
    strange = name((NameOID.COUNTRY_NAME, "US"), (NameOID.ORGANIZATION_NAME, "Example, Inc"),
                   (NameOID.ORGANIZATIONAL_UNIT_NAME, 'a+b "c" <d>;\\'),
                   (NameOID.COMMON_NAME, " #1 "))
    plain = name((NameOID.COUNTRY_NAME, "US"), (NameOID.STATE_OR_PROVINCE_NAME, "Washington"),
                 (NameOID.LOCALITY_NAME, "Seattle"), (NameOID.ORGANIZATION_NAME, "Example"),
                 (NameOID.ORGANIZATIONAL_UNIT_NAME, "Orders"), (NameOID.COMMON_NAME, "orders"))
    return {
        "of the root": root.client(),
        "with a name of many parts": root.client(plain),
        "with a name that wants escapes": root.client(strange),
        "RSA 2048": root.client(key=rsa.generate_private_key(65537, 2048)),
        "P-384": root.client(key=ec.generate_private_key(ec.SECP384R1())),
        "below an intermediate": middle.client(),
        "below a narrow one": narrow.client(),
        "without purposes": root.client(purposes=()),
        "for servers and clients": root.client(
            purposes=(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)),
        "for servers": root.client(purposes=(ExtendedKeyUsageOID.SERVER_AUTH,)),
        "over": root.client(end=NOW - DAY),
        "not yet good": root.client(start=NOW + DAY),
        "of a stranger with the root's name": stranger.client(),
        "below one that may have none below": below.client(),
        "below one that is no authority": no_authority.client(),
        "without its intermediate": (lambda chain, key: (chain[:1], key))(*middle.client()),
    }


def is_vouched_for(root, chain):
    """pyca/cryptography's verdict."""
    verifier = PolicyBuilder().store(Store([root.certificate])).time(NOW).build_client_verifier()
    try:
        verifier.verify(chain[0], chain[1:])
        return True
    except VerificationError:
        return False


def routes(target, folder):
    return f"""
admin: {{ address: 127.0.0.1:0 }}
target_groups:
  echo: {{ targets: ["{target}"] }}
listeners:
  secure:
    address: 127.0.0.1:0
    tls:
      certificates: [{{ certificate: {folder}/edge.pem, private_key: {folder}/edge.key }}]
      mutual_authentication: {{ mode: verify, trust_store: {folder}/root.pem }}
    default_action: {{ forward: echo, public: true }}
"""


def arrives(address, folder, chain, key):
    """The headers that the target received; `None` when there was no connection."""
    file = folder / "client.pem"
    file.write_bytes(pem(*chain) + key_pem(key))
    context = ssl.create_default_context(cafile=folder / "edge.pem")
    context.load_cert_chain(file)
    connection = http.client.HTTPSConnection(*address, context=context, timeout=30)
    try:
        connection.request("GET", "/")
        return dict(json.loads(connection.getresponse().read()))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def judge_headers(suite, what, headers, chain):
    leaf = chain[0]
    iso = "%Y-%m-%dT%H:%M:%SZ"
    told = x509.load_pem_x509_certificate(
        urllib.parse.unquote(headers[f"{HEADER}-leaf"]).encode())
    suite.equal(f"{what}: the leaf", told, leaf)
    suite.equal(f"{what}: its number", int(headers[f"{HEADER}-serial-number"], 16),
                leaf.serial_number)
    suite.equal(f"{what}: its time", headers[f"{HEADER}-validity"],
                f"NotBefore={leaf.not_valid_before_utc.strftime(iso)};"
                f"NotAfter={leaf.not_valid_after_utc.strftime(iso)}")
    for header, value in [("subject", leaf.subject), ("issuer", leaf.issuer)]:
        suite.equal(f"{what}: its {header}, read again",
                    x509.Name.from_rfc4514_string(headers[f"{HEADER}-{header}"]), value)


def run():
    suite = Suite("mutual_tls", "clients judged beside pyca/cryptography, shown by OpenSSL")
    root = Authority(common("root"))
    with tempfile.TemporaryDirectory() as name_of_folder, Server() as server:
        folder = pathlib.Path(name_of_folder)
        edge_key = ec.generate_private_key(ec.SECP256R1())
        edge = Authority(common("edge"))
        edge.key = edge_key
        address = ipaddress.ip_address("127.0.0.1")
        edge.certificate = build(common("edge"), edge_key, edge, [
            (x509.SubjectAlternativeName([x509.IPAddress(address)]), False)])
        (folder / "edge.pem").write_bytes(pem(edge.certificate))
        (folder / "edge.key").write_bytes(key_pem(edge_key))
        (folder / "root.pem").write_bytes(pem(root.certificate))
        with Gateway(routes(server.address, folder)) as gateway:
            for what, (chain, key) in cases(root).items():
                headers = arrives(gateway.address, folder, chain, key)
                suite.equal(f"{what}: vouched for", headers is not None,
                            is_vouched_for(root, chain))
                if headers is not None:
                    judge_headers(suite, what, headers, chain)
    return suite.tell()
