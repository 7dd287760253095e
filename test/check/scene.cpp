#include "scene.h"

#include <gtest/gtest.h>

#include "check/findings_report.h"
#include "tls/make_certificate.h"

namespace ocsproxy::test {
namespace {

using Key = CertificateRequest::Key;
using Usage = CertificateRequest::Usage;
using std::chrono::hours;

constexpr hours kDay{24};

const Library& library() {
  static const Library made(Library::Algorithms::legacy);
  return made;
}

MadeCertificate made(CertificateRequest request, const MadeCertificate* issuer = nullptr) {
  auto certificate = make_certificate(library(), request, issuer);
  EXPECT_TRUE(certificate);
  return *certificate;
}

CertificateRequest during(CertificateRequest request, hours from, hours to) {
  request.not_before = now() + from;
  request.not_after = now() + to;
  return request;
}

CertificateRequest authority(const char* name) {
  return during(authority_request(name), -kDay, kDay * 3650);
}

CertificateRequest web(std::vector<std::string> names) {
  return during(server_request(std::move(names)), -kDay, kDay * 365);
}

class Certificates {
 public:
  Certificates() {
    files_["root.pem"] = root_.certificate;
    files_["not-a-ca.pem"] = made(web({"pool.example.local"})).certificate;
    files_["old-root.pem"] = made(during(authority("Old Root CA"), -kDay * 9, -kDay)).certificate;
    files_["broken.pem"] = "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n";
    files_["text.txt"] = "hello\n";
    files_["empty.txt"] = "\n";
    put("web", web({"www.example.com", "mail.example.com"}));
    put("site", web({"www.example.com"}));
    put("wildcard", web({"*.example.com"}));
    put("ocs", web({"ocsweb.contoso.com"}));
    put("lync", web({"meet.contoso.com", "dialin.contoso.com", "lyncdiscover.contoso.com"}));
    put("expired", during(web({"www.example.com"}), -kDay * 90, -kDay));
    put("expires", during(web({"www.example.com"}), -kDay, kDay * 20));
    put("next", during(web({"www.example.com"}), kDay, kDay * 90));
    put_with("rsa", [](CertificateRequest& one) { one.key = Key::rsa2048; });
    put_with("rsa1024", [](CertificateRequest& one) { one.key = Key::rsa1024; });
    put_with("client", [](CertificateRequest& one) { one.usage = Usage::client; });
    put_with("cn-only", [](CertificateRequest& one) { one.dns_names.clear(); });
    put("cn-other", named_otherwise());
    put_chains();
    put_private();
  }

  const std::map<std::string, std::string>& files() const { return files_; }
  const std::string& root() const { return root_.certificate; }

 private:
  void put(const std::string& name, const CertificateRequest& request) {
    const MadeCertificate leaf = made(request, &root_);
    files_[name + ".pem"] = leaf.certificate;
    files_[name + ".key"] = leaf.key;
  }

  void put_with(const std::string& name, void (*bend)(CertificateRequest&)) {
    CertificateRequest request = web({"www.example.com"});
    bend(request);
    put(name, request);
  }

  static CertificateRequest named_otherwise() {
    CertificateRequest request = web({"mail.example.com"});
    request.common_name = "www.example.com";
    return request;
  }

  void put_chains() {
    const MadeCertificate issuing = made(authority("Issuing CA"), &root_);
    const MadeCertificate policy = made(authority("Policy CA"), &issuing);
    const MadeCertificate leaf = made(web({"www.example.com"}), &policy);
    files_["leaf.key"] = leaf.key;
    files_["chain.pem"] = leaf.certificate + policy.certificate + issuing.certificate;
    files_["leaf.pem"] = leaf.certificate;
    files_["half-chain.pem"] = leaf.certificate + policy.certificate;
    files_["mixed-chain.pem"] = leaf.certificate + issuing.certificate + policy.certificate;
    files_["whole-chain.pem"] = files_["chain.pem"] + root_.certificate;
    files_["stranger-chain.pem"] = files_["chain.pem"] + made(authority("Other CA")).certificate;
    const MadeCertificate old = made(during(authority("Old CA"), -kDay * 90, -kDay), &root_);
    const MadeCertificate young = made(web({"www.example.com"}), &old);
    files_["old-issuer.pem"] = young.certificate + old.certificate;
    files_["old-issuer.key"] = young.key;
  }

  // A CA that the machine does not know.
  void put_private() {
    const MadeCertificate own = made(authority("Own CA"));
    const MadeCertificate leaf = made(web({"www.example.com"}), &own);
    files_["own-root.pem"] = own.certificate;
    files_["own.pem"] = leaf.certificate;
    files_["own.key"] = leaf.key;
  }

  MadeCertificate root_ = made(authority("Example Root CA"));
  std::map<std::string, std::string> files_;
};

// As DiskFiles for an account that may not read *-secret.* files.
class SceneFiles : public MemoryFiles {
 public:
  using MemoryFiles::MemoryFiles;
  bool may_read(const std::string& path) const override {
    return path.find("-secret.") == std::string::npos;
  }
};

}  // namespace

Machine machine() {
  const auto ip = [](const char* text) { return IpAddress::parse(text).value(); };
  Machine machine;
  machine.interfaces = {{"lo", true, {ip("127.0.0.1"), ip("::1")}},
                        {"eth0", true, {ip("203.0.113.10"), ip("2001:db8::10")}},
                        {"eth1", true, {ip("10.0.0.1")}},
                        {"eth2", true, {}}};
  machine.first_free_port = 443;
  return machine;
}

CertificateTime now() { return CertificateTime(std::chrono::seconds(1780315200)); }

Checked check(const std::map<std::string, std::string>& files) {
  static const Certificates certificates;
  std::map<std::string, std::string> all = files;
  for (const auto& [name, text] : certificates.files()) all["conf/certs/" + name] = text;
  all["conf/certs/web-secret.key"] = "not to be read";
  all["conf/certs/root-secret.pem"] = "not to be read";
  all["/etc/ssl/certs/ca-certificates.crt"] = certificates.root();
  std::vector<std::string> listing;
  for (const auto& [path, text] : files) listing.push_back(path);
  SceneFiles disk(std::move(all), {{"conf", listing}});
  auto read = read_configuration("conf", disk, machine(), library(), now());
  EXPECT_TRUE(read);
  Checked checked{*std::move(read), {}, {}};
  checked.findings = check_configuration(*checked.configuration, machine(), library(), disk, now());
  checked.report =
      report_findings(checked.findings, checked.configuration->sources, ReportFormat::text, false);
  return checked;
}

}  // namespace ocsproxy::test
