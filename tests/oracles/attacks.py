"""Requests by which one message is made to look like two, or one path like another.

`refused`: the gateway answers no 200 and nothing that follows. Otherwise `statuses` are what comes
back on the connection, in order."""

from dataclasses import dataclass, field

NEXT = b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"
CLOSING = b"GET /end HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"


@dataclass
class Attack:
    name: str
    raw: bytes
    refused: bool = True
    statuses: list = field(default_factory=list)


ATTACKS = []


def refuse(name, raw):
    ATTACKS.append(Attack(name, raw))


def serve(name, raw, *statuses):
    ATTACKS.append(Attack(name, raw, False, list(statuses)))


def post(fields, body=b"0\r\n\r\n", method=b"POST", version=b"HTTP/1.1"):
    return method + b" /a " + version + b"\r\nHost: a.test\r\n" + fields + b"\r\n\r\n" + body + NEXT


CL, TE = b"Content-Length: ", b"Transfer-Encoding: "

# Two framings, in both orders and many spellings: CL.TE, TE.CL, TE.TE.
for place, coding in enumerate([b"chunked", b"Chunked", b" chunked", b"\tchunked", b"chunked "]):
    for length in (b"0", b"5", b"44"):
        refuse(f"CL {length!r} then TE {place}", post(CL + length + b"\r\n" + TE + coding))
        refuse(f"TE {place} then CL {length!r}", post(TE + coding + b"\r\n" + CL + length))
for coding in [b"xchunked", b"chunked, chunked", b"chunked,", b",chunked", b"chunked, identity",
               b"identity, chunked", b"gzip, chunked", b"chunked;a=b", b'"chunked"', b"'chunked'",
               b"chunked\x0b", b"\x0bchunked", b"chunked\x0c", b"chunked\x00", b"\xa0chunked",
               b"chu nked", b"", b"identity", b"cow", b"chunked\rX: y", b"chunked\nX: y",
               b"\r\n chunked", b"chunke\xc5\x84"]:
    refuse(f"TE {coding!r}", post(TE + coding))
for name in [b"Transfer-Encoding : ", b"Transfer-Encoding\t: ", b" Transfer-Encoding: ",
             b"Transfer_Encoding: ", b"Transfer-Encoding\x00: ", b"Transfer\rEncoding: ",
             b"\nTransfer-Encoding: ", b"X: y\nTransfer-Encoding: ", b"X: y\rTransfer-Encoding: ",
             b"Transfer-Encoding", b": x\r\nTransfer-Encoding : "]:
    refuse(f"TE under the name {name!r}", post(name + b"chunked"))
refuse("TE twice", post(TE + b"chunked\r\n" + TE + b"chunked"))
refuse("TE chunked and identity", post(TE + b"chunked\r\n" + TE + b"identity"))
refuse("TE in HTTP/1.0", post(TE + b"chunked", version=b"HTTP/1.0"))

# Lengths.
for length in [b"+5", b"-5", b"5,5", b"5, 5", b"5,6", b"0x5", b"5 5", b"5_0", b"5.0", b"5e0", b"",
               b"05", b"00", b"five", b"\xd9\xa5", b"5\x0b", b"5\x00", b"9223372036854775808",
               b"18446744073709551621", b"99999999999999999999999", b"5;", b'"5"', b"(5)"]:
    refuse(f"CL {length!r}", post(CL + length, b"hello"))
for other in (b"5", b"6", b"0"):
    refuse(f"CL 5 and CL {other!r}", post(CL + b"5\r\n" + CL + other, b"hello"))
for name in [b"Content-Length : ", b"Content_Length: ", b" Content-Length: ",
             b"Content-Length\x00: ", b"Content-Length\t: ", b"X: y\nContent-Length: "]:
    refuse(f"CL under the name {name!r}", post(name + b"5", b"hello"))

# Lines and fields.
for name, head in {
    "bare LF everywhere": b"GET /a HTTP/1.1\nHost: a.test\n\n",
    "bare LF at the end of the first line": b"GET /a HTTP/1.1\nHost: a.test\r\n\r\n",
    "bare LF at the end": b"GET /a HTTP/1.1\r\nHost: a.test\r\n\n",
    "LF CR": b"GET /a HTTP/1.1\r\nHost: a.test\n\r\n\r",
    "bare CR": b"GET /a HTTP/1.1\rHost: a.test\r\r",
    "CR in a value": b"GET /a HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n",
    "NUL in a value": b"GET /a HTTP/1.1\r\nHost: a.test\r\nX: a\x00b\r\n\r\n",
    "NUL in a name": b"GET /a HTTP/1.1\r\nHost: a.test\r\nX\x00: a\r\n\r\n",
    "folded": b"GET /a HTTP/1.1\r\nHost: a.test\r\nX: a\r\n b\r\n\r\n",
    "folded first field": b"GET /a HTTP/1.1\r\n Host: a.test\r\n\r\n",
    "no colon": b"GET /a HTTP/1.1\r\nHost: a.test\r\nX\r\n\r\n",
    "no name": b"GET /a HTTP/1.1\r\nHost: a.test\r\n: a\r\n\r\n",
    "a space before the colon": b"GET /a HTTP/1.1\r\nHost : a.test\r\n\r\n",
    "a name with a space": b"GET /a HTTP/1.1\r\nHost: a.test\r\nX Y: a\r\n\r\n",
    "a name that is not ASCII": b"GET /a HTTP/1.1\r\nHost: a.test\r\n\xc5\xbfX: a\r\n\r\n",
    "two hosts": b"GET /a HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
    "two equal hosts": b"GET /a HTTP/1.1\r\nHost: a.test\r\nhost: a.test\r\n\r\n",
    "no host": b"GET /a HTTP/1.1\r\n\r\n",
    "an empty host": b"GET /a HTTP/1.1\r\nHost:\r\n\r\n",
    "a list of hosts": b"GET /a HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n",
    "a host with userinfo": b"GET /a HTTP/1.1\r\nHost: x@a.test\r\n\r\n",
    "a host with a path": b"GET /a HTTP/1.1\r\nHost: a.test/admin\r\n\r\n",
    "a host with a space": b"GET /a HTTP/1.1\r\nHost: a.test b\r\n\r\n",
    "a host with a bad port": b"GET /a HTTP/1.1\r\nHost: a.test:x\r\n\r\n",
    "101 fields": b"GET /a HTTP/1.1\r\nHost: a.test\r\n" + b"X: y\r\n" * 100 + b"\r\n",
    "a long field": b"GET /a HTTP/1.1\r\nHost: a.test\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    "HTTP/0.9": b"GET /a\r\n",
    "HTTP/2 as a version": b"GET /a HTTP/2.0\r\nHost: a.test\r\n\r\n",
    "HTTP/1.2": b"GET /a HTTP/1.2\r\nHost: a.test\r\n\r\n",
    "http/1.1": b"GET /a http/1.1\r\nHost: a.test\r\n\r\n",
    "HTTP/1.10": b"GET /a HTTP/1.10\r\nHost: a.test\r\n\r\n",
    "no version": b"GET /a \r\nHost: a.test\r\n\r\n",
    "two spaces": b"GET  /a HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "two spaces behind": b"GET /a  HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "a tab": b"GET\t/a HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "a space behind the version": b"GET /a HTTP/1.1 \r\nHost: a.test\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "a method that is no token": b"G(T /a HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "CONNECT": b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "TRACE": b"TRACE /a HTTP/1.1\r\nHost: a.test\r\n\r\n",
}.items():
    refuse(name, head + NEXT)

# Targets: every spelling of a closed path, and what is no path at all.
for target in [b"/admin", b"/admin/x", b"//admin", b"/./admin", b"/x/../admin", b"/%61dmin",
               b"/a%64min/x", b"/x/%2e%2e/admin", b"/x/.%2E/admin", b"/%2e/admin", b"/admin%2fx",
               b"/x%2f..%2fadmin", b"/x/..%5cadmin", b"/x\\..\\admin", b"\\admin", b"/x/..;/admin",
               b"/admin;x", b"/admin;x/y", b"/x;y/../admin", b"/..;x/admin", b"/admin/.", b"/admin/..;/admin",
               b"/%252e%252e/admin", b"/admin%00", b"/%00admin", b"/x%", b"/%zz", b"/%u002e%u002e/admin",
               b"/%c0%ae%c0%ae/admin", b"/%e0%80%ae/admin", b"/../admin", b"/x/../../admin",
               b"/a#b", b"#", b"", b"a", b"admin", b"*", b"?x", b"http://b.test/a", b"http://a.test@b.test/",
               b"http://a.test/admin", b"HTTP://a.test/admin", b"ftp://a.test/a", b"//b.test/../admin",
               b"/\x7f", b"/\x01", b"/\xff", b"/" + b"a" * 20_000, b"http:///admin", b"/admin?x"]:
    refuse(f"target {target[:40]!r}", b"GET " + target + b" HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")

# Chunks. A request may have reached the target by the time its chunks are seen to be bad.
for name, body in {
    "size 0x": b"0x1\r\na\r\n0\r\n\r\n", "size +": b"+1\r\na\r\n0\r\n\r\n",
    "size -": b"-1\r\na\r\n0\r\n\r\n", "size with a space before": b" 1\r\na\r\n0\r\n\r\n",
    "no size": b"\r\na\r\n0\r\n\r\n", "junk": b"g\r\na\r\n0\r\n\r\n",
    "overflow": b"10000000000000001\r\na\r\n0\r\n\r\n", "bare LF": b"1\na\n0\n\n",
    "bare LF behind data": b"1\r\na\n0\r\n\r\n", "bare CR": b"1\ra\r\n0\r\n\r\n",
    "data too long": b"1\r\nab\r\n0\r\n\r\n", "LF in an extension": b"1;a\nb\r\na\r\n0\r\n\r\n",
    "CR in an extension": b"1;a\rb\r\na\r\n0\r\n\r\n",
    "NUL in an extension": b"1;\x00\r\na\r\n0\r\n\r\n",
    "framing in trailers": b"0\r\nContent-Length: 5\r\n\r\n",
    "coding in trailers": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "host in trailers": b"0\r\nHost: b.test\r\n\r\n", "folded trailers": b"0\r\nX: a\r\n b\r\n\r\n",
    "endless extension": b"1;" + b"a" * 70_000 + b"\r\na\r\n0\r\n\r\n",
}.items():
    refuse(f"chunks: {name}", post(TE + b"chunked", body))

# And what is well: each request seen once, however it is packed.
serve("two in one packet", b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n" + CLOSING, 200, 200)
serve("a body that looks like a request", b"POST /a HTTP/1.1\r\nHost: a.test\r\n" + CL
      + str(len(NEXT)).encode() + b"\r\n\r\n" + NEXT + CLOSING, 200, 200)
serve("chunks that look like a request", b"POST /a HTTP/1.1\r\nHost: a.test\r\n" + TE
      + b"chunked\r\n\r\n" + hex(len(NEXT))[2:].encode() + b"\r\n" + NEXT + b"\r\n0\r\n\r\n" + CLOSING,
      200, 200)
serve("no body in a POST", b"POST /a HTTP/1.1\r\nHost: a.test\r\n" + CL + b"0\r\n\r\n" + CLOSING, 200, 200)
serve("a closed path behind an open one", b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n"
      b"GET /admin HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", 200, 403)
serve("an empty line in front", b"\r\n" + CLOSING, 200)
serve("absolute form", b"GET http://a.test/b HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", 200)
serve("dots that stay open", b"GET /x/%2e%2e/%7eb?c=%2f HTTP/1.1\r\nHost: A.test:80\r\nConnection: close\r\n\r\n", 200)
