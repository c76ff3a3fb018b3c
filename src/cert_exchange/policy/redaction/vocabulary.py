"""Words that anybody may use: STIX's own vocabularies, type names, names of properties and of public catalogues.

A word of these that was taken away is no secret as such: it is looked for as a whole value, never inside a text, where
"system" or "report" would tear every sentence. The list is closed: a word that is missing only costs more care.
"""

from __future__ import annotations

from typing import Final

from cert_exchange.policy.redaction.shapes import EXTENSIONS_OF, PROPERTIES_OF, STRUCTURES

_VOCABULARIES: Final = """
accesses-remote-machines accidental activist advanced adware aerospace aes-256-gcm af_inet af_inet6 africa agent
agree agriculture alpha americas amplification analysis-of anomalous-activity anonymization antarctica
anti-debugging anti-disassembly anti-emulation anti-memory-forensics anti-sandbox anti-vm applescript asia
attack-pattern attributed-to attribution australia-new-zealand authored-by automotive backdoor based-on bash
beacons-to belongs-to benign bootkit botnet campaign captures-input-peripherals captures-output-peripherals
captures-system-state-data caribbean central-america central-asia chacha20-poly1305 characterizes chemical class
cleans-traces-of-infection club coercion command-and-control commercial commits-fraud communicates-with
communicates-with-c2 communications competitor compromised compromises compromises-data-availability
compromises-data-integrity compromises-system-availability consists-of construction contest control-system
controls controls-local-machine credential-exploitation crime-syndicate criminal dams ddos defense
degrades-security-software degrades-system-updates delivers denial-of-service derived-from determines-c2-server
director disagree dominance downloader downloads dropper drops duplicate-of dynamic-analysis-of eastern-africa
eastern-asia eastern-europe education emails-spam emergency-services energy entertainment escalates-privileges
europe evades-av exfiltrates-data exfiltrates-to exfiltration expert exploit-kit exploitation exploits facebook
false financial-services fingerprints-host firewall government government-local government-national
government-public-services government-regional group hacker healthcare hides-artifacts hides-executing-code
hospitality-leisure hosting-malware hosting-target-lists hosts http https ia-64 icmp identity ideology impacts
impersonates independent indicates indicator individual infects-files infects-remote-machines
information-gathering infrastructure infrastructure-architect infrastructure-operator innovator
insider-accidental insider-disgruntled installs-other-components insurance intermediate intrusion-set
investigates ipv4 ipv6 java javascript kavi keylogger latin-america-caribbean ldap located-at malicious
malicious-activity malware malware-analysis malware-author manufacturing melanesia micronesia middle-africa
mime-type-indicated minimal mining mips mitigates nation-state network-capture neutral new-sco new-sdo new-sro
non-profit none northern-africa northern-america northern-europe notoriety nuclear null objective-c
observed-data oceania openid organization organizational-gain originates-from owns pcre perl
persists-after-system-reboot personal-gain personal-satisfaction pharmaceuticals phishing polynesia post powerpc
powershell prevents-artifact-access prevents-artifact-deletion probes-network-environment property-extension
python radius ransomware reconnaissance reg_binary reg_dword reg_expand_sz reg_multi_sz reg_none reg_qword
reg_sz related-to remediates remote-access remote-access-trojan resolves-to resource-exploitation retail revenge
rogue-security-software rootkit routers-switches ruby scala screen-capture self-modifies sensationalist
service_auto_start service_running service_stopped sha-1 sha-256 sha-512 sha1 sha256 sha3-256 sha3-512 sha512
sigma skype smtp snort south-america south-eastern-asia southern-africa southern-asia southern-europe sparc
sponsor spyware ssdeep staging statement static-analysis-of steals-authentication-credentials stix strategic
strongly-agree strongly-disagree suricata suspicious suspicious-activity swift system tacacs targets team
technology telecommunications terrorist threat-actor threat-report tlsh tool toplevel-property-extension
transportation trojan true twitter typescript unix unknown unpredictable unspecified uses utilities variant-of
violates-system-operational-integrity virus visual-basic vulnerability vulnerability-scanning water webshell
western-africa western-asia western-europe windows-domain windows-local wiper workstation worm x86-32 x86-64
yara
"""

_CATALOGUES: Final = """
cve cwe capec mitre-attack mitre-mobile-attack mitre-ics-attack mitre-pre-attack mitre-atlas mitre-d3fend
lockheed-martin-cyber-kill-chain unified-kill-chain nvd
"""

WORDS: Final = frozenset(
    word.casefold()
    for word in (
        *_VOCABULARIES.split(),
        *_CATALOGUES.split(),
        *PROPERTIES_OF,
        *(name for names in PROPERTIES_OF.values() for name in names),
        *(name for named in EXTENSIONS_OF.values() for name in named),
        *(name for named in EXTENSIONS_OF.values() for names in named.values() for name in names),
        *(name for names in STRUCTURES.values() for name in names),
    )
)
"""All of them, case-folded."""
