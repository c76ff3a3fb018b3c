"""What STIX 2.1 defines of each type: names of properties, what is required, and what hangs together.

1. A name that is not here is custom, at the top, in embedded objects and inside the structures of the standard.
2. Dictionaries whose keys the standard leaves open (hashes, headers, environment variables) have no custom keys.
3. What a structure in a list needs at least is here too: an item that lacks it cannot stay.
Of types that STIX 2.1 does not define nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FIXED: Final = _names(
    "id type spec_version created modified revoked object_marking_refs granular_markings"
)
"""Properties that no recipe takes away and no marking may hide: without them it would be another object."""

_COMMON: Final = FIXED | _names(
    "created_by_ref labels confidence lang external_references extensions"
)
# Versioned cyber-observables have the instants and the creator of other objects (STIX 3.6).
_OBSERVABLE: Final = FIXED | _names("created_by_ref defanged extensions")

_OBJECTS: Final[Mapping[str, str]] = {
    "attack-pattern": "name description aliases kill_chain_phases",
    "campaign": "name description aliases first_seen last_seen objective",
    "course-of-action": "name description",
    "extension-definition": "name description schema version extension_types extension_properties",
    "grouping": "name description context object_refs",
    "identity": "name description roles identity_class sectors contact_information",
    "incident": "name description",
    "indicator": "name description indicator_types pattern pattern_type pattern_version valid_from valid_until "
    "kill_chain_phases",
    "infrastructure": "name description infrastructure_types aliases kill_chain_phases first_seen last_seen",
    "intrusion-set": "name description aliases first_seen last_seen goals resource_level primary_motivation "
    "secondary_motivations",
    "language-content": "object_ref object_modified contents",
    "location": "name description latitude longitude precision region country administrative_area city street_address "
    "postal_code",
    "malware": "name description malware_types is_family aliases kill_chain_phases first_seen last_seen "
    "operating_system_refs architecture_execution_envs implementation_languages capabilities sample_refs",
    "malware-analysis": "product version host_vm_ref operating_system_ref installed_software_refs configuration_version "
    "modules analysis_engine_version analysis_definition_version submitted analysis_started analysis_ended result_name "
    "result analysis_sco_refs sample_ref",
    "marking-definition": "name definition_type definition",
    "note": "abstract content authors object_refs",
    "observed-data": "first_observed last_observed number_observed objects object_refs",
    "opinion": "explanation authors opinion object_refs",
    "relationship": "relationship_type description source_ref target_ref start_time stop_time",
    "report": "name description report_types published object_refs",
    "sighting": "description first_seen last_seen count sighting_of_ref observed_data_refs where_sighted_refs summary",
    "threat-actor": "name description threat_actor_types aliases first_seen last_seen roles goals sophistication "
    "resource_level primary_motivation secondary_motivations personal_motivations",
    "tool": "name description tool_types aliases kill_chain_phases tool_version",
    "vulnerability": "name description",
}
_OBSERVABLES: Final[Mapping[str, str]] = {
    "artifact": "mime_type payload_bin url hashes encryption_algorithm decryption_key",
    "autonomous-system": "number name rir",
    "directory": "path path_enc ctime mtime atime contains_refs",
    "domain-name": "value resolves_to_refs",
    "email-addr": "value display_name belongs_to_ref",
    "email-message": "is_multipart date content_type from_ref sender_ref to_refs cc_refs bcc_refs message_id subject "
    "received_lines additional_header_fields body body_multipart raw_email_ref",
    "file": "hashes size name name_enc magic_number_hex mime_type ctime mtime atime parent_directory_ref contains_refs "
    "content_ref",
    "ipv4-addr": "value resolves_to_refs belongs_to_refs",
    "ipv6-addr": "value resolves_to_refs belongs_to_refs",
    "mac-addr": "value",
    "mutex": "name",
    "network-traffic": "start end is_active src_ref dst_ref src_port dst_port protocols src_byte_count dst_byte_count "
    "src_packets dst_packets ipfix src_payload_ref dst_payload_ref encapsulates_refs encapsulated_by_ref",
    "process": "is_hidden pid created_time cwd command_line environment_variables opened_connection_refs "
    "creator_user_ref image_ref parent_ref child_refs",
    "software": "name cpe swid languages vendor version",
    "url": "value",
    "user-account": "user_id credential account_login account_type display_name is_service_account is_privileged "
    "can_escalate_privs is_disabled account_created account_expires credential_last_changed account_first_login "
    "account_last_login",
    "windows-registry-key": "key values modified_time creator_user_ref number_of_subkeys",
    "x509-certificate": "is_self_signed hashes version serial_number signature_algorithm issuer validity_not_before "
    "validity_not_after subject subject_public_key_algorithm subject_public_key_modulus subject_public_key_exponent "
    "x509_v3_extensions",
}
PROPERTIES_OF: Final[Mapping[str, frozenset[str]]] = {
    **{name: _names(own) | _COMMON for name, own in _OBJECTS.items()},
    **{name: _names(own) | _OBSERVABLE for name, own in _OBSERVABLES.items()},
}
"""Every property that STIX 2.1 defines for a type."""

REQUIRED: Final[Mapping[str, frozenset[str]]] = {
    "attack-pattern": _names("name"),
    "campaign": _names("name"),
    "course-of-action": _names("name"),
    "extension-definition": _names("name schema version extension_types created_by_ref"),
    "grouping": _names("context object_refs"),
    "identity": _names("name"),
    "incident": _names("name"),
    "indicator": _names("pattern pattern_type valid_from"),
    "infrastructure": _names("name"),
    "intrusion-set": _names("name"),
    "language-content": _names("object_ref contents"),
    "malware": _names("is_family"),
    "malware-analysis": _names("product"),
    "note": _names("content object_refs"),
    "observed-data": _names("first_observed last_observed number_observed"),
    "opinion": _names("opinion object_refs"),
    "relationship": _names("relationship_type source_ref target_ref"),
    "report": _names("name published object_refs"),
    "sighting": _names("sighting_of_ref"),
    "threat-actor": _names("name"),
    "tool": _names("name"),
    "vulnerability": _names("name"),
    "autonomous-system": _names("number"),
    "directory": _names("path"),
    "domain-name": _names("value"),
    "email-addr": _names("value"),
    "email-message": _names("is_multipart"),
    "ipv4-addr": _names("value"),
    "ipv6-addr": _names("value"),
    "mac-addr": _names("value"),
    "mutex": _names("name"),
    "network-traffic": _names("protocols"),
    "software": _names("name"),
    "url": _names("value"),
}
"""Properties without which an object of the type is none."""

ONE_OF: Final[Mapping[str, frozenset[str]]] = {
    "artifact": _names("payload_bin url"),
    "file": _names("hashes name"),
    "location": _names("region country latitude"),
    "malware-analysis": _names("result analysis_sco_refs"),
    "network-traffic": _names("src_ref dst_ref"),
    "observed-data": _names("objects object_refs"),
    **{
        name: _names(_OBSERVABLES[name]) | {"extensions"}
        for name in ("process", "user-account", "windows-registry-key", "x509-certificate")
    },
}
"""Of these at least one has to be there."""


def leans_on(stix_type: str, content: Mapping[str, Any]) -> frozenset[str]:
    """Properties that cannot stay because what they lean on is gone."""
    gone: set[str] = set()
    if stix_type == "location":
        if ("latitude" in content) != ("longitude" in content):
            gone |= {"latitude", "longitude", "precision"}
        elif "latitude" not in content:
            gone.add("precision")
    elif stix_type == "artifact":
        if "encryption_algorithm" not in content:
            gone.add("decryption_key")
        if "hashes" not in content:
            gone.add("url")
    return frozenset(gone & content.keys())


# The structures of the standard. A dictionary with open keys has no entry.
_HEX_SIZES: Final = (
    "magic_hex major_linker_version minor_linker_version size_of_code size_of_initialized_data "
    "size_of_uninitialized_data address_of_entry_point base_of_code base_of_data image_base section_alignment "
    "file_alignment major_os_version minor_os_version major_image_version minor_image_version major_subsystem_version "
    "minor_subsystem_version win32_version_value_hex size_of_image size_of_headers checksum_hex subsystem_hex "
    "dll_characteristics_hex size_of_stack_reserve size_of_stack_commit size_of_heap_reserve size_of_heap_commit "
    "loader_flags_hex number_of_rva_and_sizes hashes"
)
STRUCTURES: Final[Mapping[str, frozenset[str]]] = {
    "external_references": _names("source_name description url hashes external_id"),
    "kill_chain_phases": _names("kill_chain_name phase_name"),
    "granular_markings": _names("lang marking_ref selectors"),
    "body_multipart": _names("body body_raw_ref content_type content_disposition"),
    "values": _names("name data data_type"),
    "x509_v3_extensions": _names(
        "basic_constraints name_constraints policy_constraints key_usage extended_key_usage subject_key_identifier "
        "authority_key_identifier subject_alternative_name issuer_alternative_name subject_directory_attributes "
        "crl_distribution_points inhibit_any_policy private_key_usage_period_not_before "
        "private_key_usage_period_not_after certificate_policies policy_mappings"
    ),
    "alternate_data_streams": _names("name hashes size"),
    "sections": _names("name size entropy hashes"),
    "optional_header": _names(_HEX_SIZES),
}
"""By the name of the property that holds one, or a list of them."""

NEEDED: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    # in a list or an extension of this name: all of the first, and one of the second where there is a second
    "external_references": (_names("source_name"), _names("description url external_id")),
    "kill_chain_phases": (_names("kill_chain_name phase_name"), frozenset()),
    "body_multipart": (frozenset(), _names("body body_raw_ref")),
    "alternate_data_streams": (_names("name"), frozenset()),
    "sections": (_names("name"), frozenset()),
    "archive-ext": (_names("contains_refs"), frozenset()),
    "http-request-ext": (_names("request_method request_value"), frozenset()),
    "icmp-ext": (_names("icmp_type_hex icmp_code_hex"), frozenset()),
    "socket-ext": (_names("address_family"), frozenset()),
    "windows-pebinary-ext": (
        _names("pe_type"),
        _names(
            "imphash machine_hex number_of_sections time_date_stamp pointer_to_symbol_table_hex number_of_symbols "
            "size_of_optional_header characteristics_hex file_header_hashes optional_header sections"
        ),
    ),
}

EXTENSIONS_OF: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "file": {
        "archive-ext": _names("contains_refs comment"),
        "ntfs-ext": _names("sid alternate_data_streams"),
        "pdf-ext": _names("version is_optimized document_info_dict pdfid0 pdfid1"),
        "raster-image-ext": _names("image_height image_width bits_per_pixel exif_tags"),
        "windows-pebinary-ext": _names(
            "pe_type imphash machine_hex number_of_sections time_date_stamp pointer_to_symbol_table_hex "
            "number_of_symbols size_of_optional_header characteristics_hex file_header_hashes optional_header sections"
        ),
    },
    "network-traffic": {
        "http-request-ext": _names(
            "request_method request_value request_version request_header message_body_length message_body_data_ref"
        ),
        "icmp-ext": _names("icmp_type_hex icmp_code_hex"),
        "socket-ext": _names(
            "address_family is_blocking is_listening options socket_type socket_descriptor socket_handle"
        ),
        "tcp-ext": _names("src_flags_hex dst_flags_hex"),
    },
    "process": {
        "windows-process-ext": _names(
            "aslr_enabled dep_enabled priority owner_sid window_title startup_info integrity_level"
        ),
        "windows-service-ext": _names(
            "service_name descriptions display_name group_name start_type service_dll_refs service_type service_status"
        ),
    },
    "user-account": {"unix-account-ext": _names("gid groups home_dir shell")},
}
"""The predefined extensions of STIX 2.1, and what each holds."""

FREE_TEXT: Final = _names(
    "name description abstract content explanation objective contact_information summary"
)
"""Text for people on domain objects and relationships; on cyber-observables the same names state facts."""

SAYS_ITSELF: Final = _names(
    "type spec_version pattern_type pattern_version relationship_type context opinion protocols extension_type "
    "definition_type pe_type request_method address_family sighting_of_ref rir lang is_family "
    "kill_chain_name"
)
"""Words of a vocabulary that say what the object is: that the same word was taken away elsewhere tells nothing."""
