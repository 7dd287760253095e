#include "tls/x509_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <optional>
#include <span>

#include "base/text.h"

namespace ocsproxy {
namespace {

GeneralNamesPtr alternative_names(const X509* certificate) {
  return GeneralNamesPtr(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
}

std::span<const unsigned char> bytes_of(const ASN1_STRING* string) {
  return {ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::string utf8_of(const ASN1_STRING* string) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, string);
  std::string text;
  if (size > 0) text.assign(bytes, bytes + size);
  OPENSSL_free(bytes);
  return text;
}

std::string common_name(const X509_NAME* name) {
  const int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (index < 0) return {};
  return escaped(utf8_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index))));
}

std::optional<IpAddress> address_of(std::span<const unsigned char> bytes) {
  if (bytes.size() == 4) {
    return IpAddress::from_v4(static_cast<std::uint32_t>(bytes[0]) << 24 |
                              static_cast<std::uint32_t>(bytes[1]) << 16 |
                              static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3]);
  }
  IpAddress::Bytes all{};
  if (bytes.size() != all.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), all.begin());
  return IpAddress::from_v6(all);
}

}  // namespace

std::vector<std::string> dns_names_of(const X509* certificate) {
  std::vector<std::string> names;
  const GeneralNamesPtr all = alternative_names(certificate);
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type != GEN_DNS) continue;
    const auto bytes = bytes_of(name->d.dNSName);
    names.emplace_back(bytes.begin(), bytes.end());
  }
  return names;
}

std::vector<IpAddress> addresses_of(const X509* certificate) {
  std::vector<IpAddress> addresses;
  const GeneralNamesPtr all = alternative_names(certificate);
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type != GEN_IPADD) continue;
    if (const auto address = address_of(bytes_of(name->d.iPAddress))) addresses.push_back(*address);
  }
  return addresses;
}

std::string name_text(const X509_NAME* name) {
  std::string text = common_name(name);
  if (!text.empty()) return text;
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  text = escaped(text_of(bio.get()));
  return text.empty() ? "(no name)" : text;
}

std::string common_name_of(const X509* certificate) {
  return common_name(X509_get_subject_name(certificate));
}

CertificateTime time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return CertificateTime{};
  // A certificate may last until the year 9999; the clock's nanoseconds end in 2262.
  using std::chrono::duration_cast;
  using std::chrono::seconds;
  constexpr auto kFirst = duration_cast<seconds>(CertificateTime::min().time_since_epoch());
  constexpr auto kLast = duration_cast<seconds>(CertificateTime::max().time_since_epoch());
  return CertificateTime(std::clamp(seconds(::timegm(&parts)), kFirst, kLast));
}

std::string utc_text(CertificateTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text.data(), size};
}

std::string key_text(const EVP_PKEY* key) {
  const std::string bits = std::to_string(EVP_PKEY_get_bits(key));
  if (EVP_PKEY_is_a(key, "RSA") == 1) return "RSA " + bits;
  if (EVP_PKEY_is_a(key, "EC") != 1) {
    const char* const type = EVP_PKEY_get0_type_name(key);
    return type != nullptr ? type : "unknown";
  }
  std::array<char, 64> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) return "EC " + bits;
  const std::string_view name(group.data(), size);
  if (name == "prime256v1") return "EC P-256";
  if (name == "secp384r1") return "EC P-384";
  return "EC " + std::string(name);
}

std::string digest_text(X509* certificate) {
  int digest = NID_undef;
  X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr);
  const char* const name = digest == NID_undef ? nullptr : OBJ_nid2sn(digest);
  return name != nullptr ? name : "an unknown digest";
}

bool dns_name_covers(std::string_view pattern, std::string_view name) {
  if (name.empty() || name.front() == '.') return false;
  if (!pattern.starts_with("*.")) return iequals(pattern, name);
  const std::string_view parent = pattern.substr(2);
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos || parent.find('.') == std::string_view::npos) return false;
  return parent.find('*') == std::string_view::npos && iequals(parent, name.substr(dot + 1));
}

}  // namespace ocsproxy
