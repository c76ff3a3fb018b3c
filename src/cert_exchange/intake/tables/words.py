"""The words of tables: what headers and columns of kinds call things, in our words. Data, and one way to look it up.

1. A word is compared in lower case without blanks and punctuation: `SHA-256`, `sha256` and `Sha 256` are one.
2. A word stands for the kinds that a value under it may be, the usual one first. A value that is none of them is not taken.
3. `UNTAKEN` are words of things that look like values and are none that we take: the hash of imports is no MD5 of a file,
   and a column of targets names victims.
4. `OUR_SIDE` are words of logs: who asked, from which machine. That is the constituency more often than not, and where such a
   column stands, `EITHER_SIDE` may be it too (the destination of what came in, the host that was reached).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from cert_exchange.intake.findings import Kind


class Role(StrEnum):
    """What a column holds besides values of one kind. With the kinds, the words of a profile."""

    ANY = "any"  # values whose kind a column of kinds says, else their look
    HASH = "hash"
    IP = "ip"
    HOST = "host"  # names and addresses mixed
    TYPE = "type"  # words for the kinds of column `any`
    DESCRIPTION = "description"
    VALID_FROM = "valid-from"
    VALID_UNTIL = "valid-until"
    CONFIDENCE = "confidence"
    TLP = "tlp"
    PAP = "pap"
    LABELS = "labels"
    DETECT = "detect"  # 0 or false: told of, not looked for
    IGNORE = "ignore"


Meaning = Role | Kind

HASHES: Final = (Kind.SHA256, Kind.SHA1, Kind.MD5, Kind.SHA512)
FILE_KINDS: Final = frozenset({*HASHES, Kind.SSDEEP, Kind.TLSH, Kind.FILE_NAME, Kind.FILE_PATH})
KINDS: Final[Mapping[Meaning, tuple[Kind, ...]]] = {
    Role.HASH: HASHES,
    Role.IP: (Kind.IPV4, Kind.IPV6),
    Role.HOST: (Kind.DOMAIN, Kind.IPV4, Kind.IPV6),
    **{kind: (kind,) for kind in Kind},
}
"""The kinds that a value under a word may be."""


def squeeze(word: str) -> str:
    """A word as it is compared."""
    return _PUNCTUATION.sub("", word.casefold())


_PUNCTUATION: Final = re.compile(r"[\W_]+")
_VALUES: Final[Mapping[Meaning, str]] = {
    Role.IP: "ip ipaddress ipaddr ipaddresses ips ipsrc ipdst srcip dstip sourceip destinationip destip address ipv4ipv6 "
    "c2ip ipindicator networkaddress ipport ipaddressport dstipport cidr cidrs ipcidr subnet subnets netblock netblocks iprange "
    "ipranges ipnetwork cidrrange cidrblock ipsubnet",
    Kind.IPV4: "ipv4 ipv4addr ipv4address ipv4cidr",
    Kind.IPV6: "ipv6 ipv6addr ipv6address ipv6cidr",
    Role.HOST: "host c2 c2server cnc cc server c2domain c2host cncserver hostorip destination rhost controlserver hostip iphost "
    "hostport",
    Kind.DOMAIN: "domain domains domainname hostname hostnames fqdn fqdns dns dnsname domainport stixdomain",
    Kind.URL: "url urls uri uris urlindicator downloadurl payloadurl phishingurl",
    Kind.EMAIL: "email emails emailaddr emailaddress mail emailsrc emaildst sender emailsender senderaddress "
    "whoisregistrantemail registrantemail",
    Role.HASH: "hash hashes filehash file checksum digest malwaresample filehashes stixfile hashvalue fileindicator",
    Kind.MD5: "md5 md5hash hashmd5 filehashmd5 filemd5",
    Kind.SHA1: "sha1 sha1hash hashsha1 filehashsha1 filesha1",
    Kind.SHA256: "sha256 sha256hash hashsha256 filehashsha256 sha2 filesha256",
    Kind.SHA512: "sha512 sha512hash hashsha512 filehashsha512 filesha512",
    Kind.SSDEEP: "ssdeep",
    Kind.TLSH: "tlsh",
    Kind.FILE_NAME: "filename filenames",
    Kind.FILE_PATH: "filepath path fullpath",
    Kind.REGISTRY_KEY: "registry registrykey regkey windowsregistrykey",
    Kind.MUTEX: "mutex mutant",
    Kind.USER_AGENT: "useragent httpuseragent",
    Kind.MAC: "mac macaddress macaddr",
    Kind.ASN: "asn as autonomoussystem",
    Kind.CERTIFICATE: "certificate cert certificatesha1 certsha1 x509fingerprintsha1 x509fingerprintsha256 sslcertificate "
    "certificatefingerprint sslcert sha1fingerprint tlscertificate certfingerprint",
    Kind.VULNERABILITY: "cve cves vulnerability cveid",
    Kind.TECHNIQUE: "technique techniques ttp ttps attack mitreattack techniqueid mitre attackid",
    Kind.PATTERN: "pattern stixpattern",
    Kind.SNORT: "snort suricata",
    Kind.SIGMA: "sigma",
    Kind.YARA: "yara",
}
_COLUMNS: Final[Mapping[Meaning, str]] = {
    Role.ANY: "ioc iocs indicator indicators value values observable observables indicatorvalue iocvalue artifact "
    "iocindicator observablevalue indicatorofcompromise indicatorsofcompromise urldomain domainurl ipdomain domainip "
    "domainips domainsips urlip ipurl iocdata",
    Role.TYPE: "type types indicatortype ioctype entitytype kind observabletype valuetype typeofioc iocstype datatype",
    Role.DESCRIPTION: "description descriptions comment comments note notes details context remarks remark info desc "
    "malwarefamily malware category role campaign threat title",
    Role.VALID_FROM: "validfrom",
    Role.VALID_UNTIL: "validuntil validto expires expiry expiration expirationdate expirydate expirationtime "
    "expirationdatetime expiresat",
    Role.CONFIDENCE: "confidence confidencelevel confidencescore",
    Role.TLP: "tlp marking tlplevel tlpmarking trafficlight",
    Role.PAP: "pap",
    Role.LABELS: "tags tag labels label",
    Role.DETECT: "toids",
}
_UNTAKEN: Final = (
    "imphash importhash pehash authentihash vhash sdhash ja3 ja3s ja4 ja3fingerprint serial serialnumber publickey "
    "link links reference references source sources report url1 sourceurl reporturl referenceurl permalink virustotal vt "
    "id uuid guid eventid attributeid objectid package packagename appname firstseen lastseen date dateadded added "
    "firstseenutc compiletime signingtime version filesize size mime mimetype filetype signature compilerstamp timestamp "
    "eventuuid orgc org author reporter password asname country "
    "nameserver nameservers ns registrar whois whoisserver dnsserver provider status port "
    "audience markings "
    "affected impacted infected compromised internal customer local our own "
    "target targets victim victims victimdomain victimip victimemail recipient recipients to mailto targetdomain targetip"
)


_OUR_SIDE: Final = (
    "client clients clientip clientaddress clienthost clientname cip src srcip srcips ipsrc srcaddr srcaddress srchost sourceip sourceips "
    "sourceaddress sourceipaddress sourcehost sourcehostname user users username userid userip useremail account accountname "
    "computer computername computers workstation workstations machine machinename asset assets assetname employee department "
    "device devicename deviceip subscriber rcpt rcptto mailto emailto"
)
_EITHER_SIDE: Final = (
    "dst dstip dstips ipdst dstaddr dsthost destip destinationip destinationaddress destinationhost destination host hosts hostname "
    "hostnames hostip rhost ip ipaddress ipaddr address fqdn dnsname"
)
# Those of the other side of the channel, and of some neighbours.
_RUSSIAN: Final[Mapping[Meaning, str]] = {
    Role.ANY: "индикатор индикаторы значение артефакт показатель індикатор індикатори значення",
    Role.TYPE: "тип типиндикатора вид типданных типіндикатора",
    Role.DESCRIPTION: "описание комментарий примечание опис коментар примітка",
    Role.IP: "ipадрес адресip ipадреса ipадреси адрес адреса подсеть подсети сеть диапазон диапазонip диапазонадресов"  # noqa: RUF001 - both alphabets are meant
    " підмережа мережа діапазон",
    Kind.DOMAIN: "домен домены доменноеимя имяхоста домени доменнеімя",
    Role.HOST: "хост узел",
    Kind.URL: "urlадрес ссылкаurl",  # noqa: RUF001 - both alphabets are meant
    Role.HASH: "хэш хеш хешсумма хэшсумма контрольнаясумма хеши хэши",
    Kind.FILE_NAME: "имяфайла назвафайлу",
    Kind.FILE_PATH: "путькфайлу шляхдофайлу",
    Kind.EMAIL: "почта электроннаяпочта адресэлектроннойпочты эмейл пошта",
    Kind.VULNERABILITY: "уязвимость вразливість",
    Role.CONFIDENCE: "достоверность уверенность уровеньдоверия достовірність",
    Role.VALID_FROM: "действителенс действуетс",
    Role.VALID_UNTIL: "действительнодо срокдействия дійснедо",
    Role.IGNORE: "жертва жертвы цель источник ссылка дата джерело посилання",
}
_CHINESE: Final[Mapping[Meaning, str]] = {
    Role.ANY: "指标 指標 威胁指标 失陷指标 值 样本",
    Role.TYPE: "类型 類型 种类 指标类型",
    Role.DESCRIPTION: "描述 备注 備註 说明 說明",
    Role.IP: "ip地址 地址 ip 网段 網段 子网",
    Kind.DOMAIN: "域名 網域 主机名 主機名",
    Kind.URL: "网址 網址 链接地址 url地址",
    Role.HASH: "哈希 哈希值 雜湊 散列值 文件哈希",
    Kind.FILE_NAME: "文件名 檔名 檔案名稱",
    Kind.EMAIL: "邮箱 電子郵件 邮件地址",
    Role.CONFIDENCE: "置信度 可信度",
    Role.VALID_UNTIL: "有效期至",
    Role.IGNORE: "来源 來源 日期 时间 参考",
}
_NEIGHBOURS: Final[Mapping[Meaning, str]] = {
    Role.ANY: "indicador indicadores indicateur indicateurs indikator indikatoren wert valor valeur indicatore indicatori wskaźnik",
    Role.TYPE: "tipo typ typus",
    Role.DESCRIPTION: "descripción descripcion descrição beschreibung kommentar bemerkung commentaire comentario descrizione opis",
    Kind.DOMAIN: "dominio domaine domäne domena",
    Role.IGNORE: "opfer ziel victime cible víctima victima objetivo quelle fuente fonte źródło",
}


def _by_word(*tables: Mapping[Meaning, str]) -> dict[str, Meaning]:
    return {
        word: said for table in tables for said, words in table.items() for word in words.split()
    }


TYPES: Final[Mapping[str, Meaning]] = {
    **dict.fromkeys(
        ("network", "networks"), Role.IP
    ),  # as a header it may as well be the name of a provider
    **{
        word: said
        for word, said in _by_word(_VALUES, _RUSSIAN, _CHINESE, _NEIGHBOURS).items()
        if said in {*KINDS}
    },
    **{squeeze(kind): kind for kind in Kind},
}
"""Words in a column of kinds, squeezed."""
HEADERS: Final[Mapping[str, Meaning]] = {
    **_by_word(_VALUES, _COLUMNS, _RUSSIAN, _CHINESE, _NEIGHBOURS),
    **dict.fromkeys((*_UNTAKEN.split(), *_OUR_SIDE.split()), Role.IGNORE),
}
"""Words in a header, squeezed. What stands for IGNORE is known and left out."""
UNTAKEN: Final = frozenset(
    {
        *_UNTAKEN.split(),
        *_OUR_SIDE.split(),
        *_RUSSIAN[Role.IGNORE].split(),
        *_NEIGHBOURS[Role.IGNORE].split(),
    }
)
OUR_SIDE: Final = frozenset(_OUR_SIDE.split())
EITHER_SIDE: Final = frozenset(_EITHER_SIDE.split())
PROFILE_WORDS: Final[Mapping[str, Meaning]] = {
    **{role.value: role for role in Role},
    **{kind.value: kind for kind in Kind},
}
"""What a person writes in a profile; these words only, so that nothing written is a guess."""
