"""Sites that reports refer to, and that are no indicators when a report names them in a live address.

1. Only an address that can be clicked is judged by this list: what an author wrote defanged is meant, whoever owns the site.
2. A name covers what lies below it: `example.org` covers `www.example.org`.
3. Places where anybody may put things (code, files, chats) are in it as well, as their live addresses in a report are
   mostly references. An author who means one writes it defanged, or in code or a column of indicators.
"""

from __future__ import annotations

from typing import Final

ANALYSIS: Final = frozenset(
    """
    virustotal.com bazaar.abuse.ch hybrid-analysis.com any.run joesandbox.com tria.ge urlscan.io malshare.com
    intezer.com opentip.kaspersky.com polyswarm.network unpac.me vms.drweb.com valhalla.nextron-systems.com
    """.split()  # noqa: SIM905 - a list of names reads better without quotes
)
"""Where samples are shown by hash: the hash in such an address names a sample."""

ATTACK: Final = "attack.mitre.org"

_SITES: Final = (
    frozenset(
        """
    abuse.ch accenture.com ahnlab.com akamai.com alienvault.com amnesty.org amnestyusa.org archive.org arstechnica.com
    avast.com avast.io avira.com bitdefender.com blackberry.com bleepingcomputer.com blogspot.com broadcom.com
    bsi.bund.de carbonblack.com cert.at cert.be cert.europa.eu cert.gov.ua cert.pl cert.se cert.ssi.gouv.fr checkpoint.com
    cisa.gov cisco.com citizenlab.ca cloudflare.com cloudsek.com cobaltstrike.com cofense.com crowdstrike.com curatedintel.org
    cve.org cybereason.com cyble.com darkreading.com doi.org domaintools.com dragos.com elastic.co enisa.europa.eu
    eset.com exploit-db.com f-secure.com facebook.com fireeye.com first.org flashpoint.io fortinet.com fox-it.com
    ft.com gdatasoftware.com github.com github.io githubusercontent.com gitlab.com googleblog.com google.com
    group-ib.com huntress.com ibm.com jpcert.or.jp kaspersky.com krebsonsecurity.com lac.co.jp linkedin.com
    lookout.com malwarebytes.com mandiant.com mastodon.social mcafee.com medium.com microsoft.com misp-project.org
    mitre-attack.github.io mitre.org mozilla.org ncsc.gov.uk ncsc.nl netlab.360.com netskope.com nist.gov
    nvd.nist.gov oasis-open.org orangecyberdefense.com paloaltonetworks.com passivetotal.org pastebin.com
    positive.security proofpoint.com ptsecurity.com pwc.com pwc.co.uk qianxin.com quointelligence.eu rapid7.com
    recordedfuture.com reddit.com redcanary.com reuters.com reversinglabs.com riskiq.com sans.edu sans.org schema.org
    secureworks.com securelist.com sekoia.io sentinelone.com shadowserver.org shodan.io sigmahq.io slideshare.net
    sophos.com stackoverflow.com symantec.com talosintelligence.com team-cymru.com techcrunch.com theregister.com
    threatfabric.com threatpost.com thedfirreport.com thehackernews.com trellix.com trendmicro.com trustwave.com
    twitter.com unit42.com us-cert.gov virusbulletin.com vmware.com volexity.com w3.org welivesecurity.com wikipedia.org
    wired.com withsecure.com wordpress.org x.com youtube.com yoroi.company zdnet.com zscaler.com
    """.split()  # noqa: SIM905 - a list of names reads better without quotes
    )
    | ANALYSIS
)


def covered(host: str, names: frozenset[str] | set[str]) -> bool:
    """Whether a host is one of some names, or lies below one."""
    rest = host
    while rest:
        if rest in names:
            return True
        rest = rest.partition(".")[2]
    return False


def is_publisher(host: str) -> bool:
    """Whether a host is that of somebody who publishes, shows samples or keeps what others write."""
    return covered(host, _SITES)


def shows_samples(host: str) -> bool:
    """Whether an address at this host names a sample by its hash."""
    return covered(host, ANALYSIS)
