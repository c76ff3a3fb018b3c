"""The options of a Suricata or Snort rule that came from somebody else: which of them only look.

1. What is not known to be harmless is not: a sensor learns new options with each release, and some of them act. Left out is
   what lets a flow pass (`bypass`), speaks to or unsets other rules (`flowbits` and its like, but to ask), says nothing
   (`noalert`), writes (`filestore`, `tls.store`, `logto`, `dataset`), runs or reads files (`lua`, `iprep`, `filemd5`), and
   changes traffic or what is logged (`replace`, `react`, `resp`, `tag`, `config`).
2. An option ends at a `;` that no backslash precedes, as both programs read it; what they may read differently is refused.
3. One pass over the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_NAME: Final = re.compile(r"\s*+([A-Za-z][A-Za-z0-9_.-]{0,63})\s*+(?::(.*))?", re.DOTALL)
_WORDS: Final = """
    msg sid gid rev classtype reference priority metadata target threshold detection_filter
    content uricontent nocase offset depth distance within startswith endswith rawbytes fast_pattern isdataat bsize dsize
    pcre byte_test byte_jump byte_extract byte_math base64_decode base64_data asn1 entropy absent prefilter
    flow stream_size stream-event decode-event engine-event app-layer-event app-layer-protocol
    ttl tos id ipopts fragbits fragoffset ip_proto sameip geoip ipv4.hdr ipv6.hdr ip.src ip.dst
    flags seq ack window tcp.flags tcp.seq tcp.ack tcp.window tcp.mss tcp.hdr udp.hdr tcp-pkt
    itype icode icmp_id icmp_seq icmpv4.hdr icmpv6.hdr icmpv6.mtu
    pkt_data pkt.data rpc urilen fileext filename filesize filemagic file.data file_data file.name file.magic
    dotprefix strip_whitespace compress_whitespace to_lowercase to_uppercase to_sha256 to_sha1 to_md5 url_decode xor
    header_lowercase strip_pseudo_headers pcrexform ssl_state ssl_version ja3_hash ja3_string ja3s_hash ja4.hash
    dns_query tls_sni tls_cert_subject tls_cert_issuer tls_cert_serial tls_cert_fingerprint tls_cert_notbefore tls_cert_notafter
    tls_cert_expired tls_cert_valid dce_iface dce_opnum dce_stub_data cip_service enip_command modbus dnp3_data dnp3_func
    dnp3_ind dnp3_obj ssh_proto ssh_software smb_named_pipe smb_share ftpbounce
"""
_PLAIN: Final = frozenset(_WORDS.split())
_FAMILIES: Final = re.compile(
    r"(?:http|http2|dns|mdns|tls|ssh|smb|smtp|email|ftp|ftpdata|krb5|snmp|sip|sdp|rfb|mqtt|ike|quic|dcerpc|nfs|ssl|ja3|ja3s|ja4|flow|ldap"
    r"|telnet|websocket|pgsql|mysql|bittorrent_dht|file|vlan|dhcp|tftp|rdp)\.[a-z0-9_.-]{1,60}|http_[a-z_]{1,40}|krb5_[a-z_]{1,40}"
)
_WRITES: Final = frozenset({"tls.store", "file.store"})
_ASKS: Final = re.compile(r"\s*+(?:isset|isnotset)\s*+,[^,]*+")
"""Of `flowbits`: what only asks what another rule of the sensor has set."""


def options_of(rule: str) -> list[tuple[str, str]] | None:
    """(name in small letters, value) of each option; None where it cannot be told surely what they are."""
    start = rule.find("(")
    inside = rule.strip()[:-1][start + 1 :] if rule.strip().endswith(")") and start >= 0 else ""
    if not inside or "\\\\;" in inside:
        return None
    found: list[tuple[str, str]] = []
    for part in _parts(inside):
        option = _NAME.fullmatch(part)
        if option is None:
            return None
        found.append((option[1].lower(), option[2] or ""))
    return found


def only_looks(name: str, value: str) -> bool:
    """Whether an option does nothing but look, and say what was found."""
    if name == "flowbits":
        return _ASKS.fullmatch(value) is not None
    if name in _WRITES:
        return False
    return name in _PLAIN or _FAMILIES.fullmatch(name) is not None


def _parts(inside: str) -> Iterator[str]:
    """The texts of the options; what stands behind the last `;` is one too, unless it is blank."""
    begin = 0
    for found in re.finditer(r"(?<!\\);", inside):
        yield inside[begin : found.start()]
        begin = found.end()
    if inside[begin:].strip():
        yield inside[begin:]
