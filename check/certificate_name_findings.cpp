#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/text.h"
#include "check/certificate_findings.h"
#include "settings/shown_text.h"
#include "tls/x509_text.h"

namespace ocsproxy {
namespace {

using settings::Listener;
using settings::shown;

// The names of all certificates of one listener. Policies have ten thousands of names, so each is
// looked up, not compared with all.
class ListenerNames {
 public:
  ListenerNames(const Listener& listener,
                const std::vector<std::shared_ptr<const Certificate>>& certificates)
      : listener_(listener), certificates_(certificates) {
    for (const auto& certificate : certificates) {
      if (certificate == nullptr) continue;
      for (const std::string& name : certificate->dns_names()) {
        if (known_.insert(name).second) list_.push_back(name);
      }
    }
  }

  // Can nothing be said, because a certificate could not be read?
  bool uncertain() const {
    return std::ranges::find(certificates_, nullptr) != certificates_.end();
  }

  // `name` is a public name: a wildcard of it is covered by the same wildcard alone.
  bool covers(const std::string& name) const {
    if (known_.contains(name)) return true;
    if (IpAddress::parse(name)) {
      return std::ranges::any_of(certificates_, [&](const auto& one) { return one->covers(name); });
    }
    const std::size_t dot = name.find('.');
    if (name.starts_with('*') || dot == std::string::npos) return false;
    const std::string wildcard = '*' + name.substr(dot);
    return known_.contains(wildcard) && dns_name_covers(wildcard, name);
  }

  void report(const Located<std::string>& name, Findings& findings) {
    const auto subject = std::ranges::find_if(certificates_, [&](const auto& certificate) {
      return dns_name_covers(certificate->subject(), *name);
    });
    if (subject != certificates_.end()) {
      findings.warning("public-name-in-common-name", name.where,
                       shown(*name) + " is only the common name of a certificate of the listener " +
                           shown(*listener_.name) + ", and clients do not look at that",
                       "issue it again with the name as subject alternative name");
      return;
    }
    findings.warning(
        "public-name-not-covered", name.where,
        "no certificate of the listener " + shown(*listener_.name) + " is for " + shown(*name),
        mend_for(*name));
  }

 private:
  static constexpr std::size_t kMostShown = 5;
  static constexpr std::size_t kMostSuggestions = 100;  // each is a walk through all names

  std::string mend_for(const std::string& name) {
    const std::string_view near =
        ++suggestions_ > kMostSuggestions ? std::string_view() : nearest_word(name, list_);
    std::string text;
    if (!near.empty()) text = "the nearest is " + shown(near) + "; ";
    text += "browsers refuse the site: add a certificate that is for the name, or mend the name";
    if (!near.empty() || list_.empty() || list_.size() > kMostShown) return text;
    text += "; the certificates are for ";
    for (std::size_t i = 0; i < list_.size(); ++i) text += (i == 0 ? "" : ", ") + shown(list_[i]);
    return text;
  }

  const Listener& listener_;
  const std::vector<std::shared_ptr<const Certificate>>& certificates_;
  std::unordered_set<std::string> known_;
  std::vector<std::string_view> list_;
  std::size_t suggestions_ = 0;
};

// The public names of one listener's rules, each where it first stands.
struct Published {
  std::vector<const Located<std::string>*> names;
  std::unordered_set<std::string_view> known;
};

std::vector<Published> published_names(const settings::Settings& settings) {
  std::vector<Published> published(settings.listeners.size());
  std::unordered_map<std::string_view, std::size_t> numbers;
  for (const Listener& listener : settings.listeners) {
    numbers.emplace(*listener.name, numbers.size());
  }
  for (const settings::Rule& rule : settings.rules) {
    if (!rule.enabled || !rule.to) continue;
    Published& here = published[numbers.at(*rule.listener)];
    for (const auto& name : rule.public_names) {
      if (here.known.insert(*name).second) here.names.push_back(&name);
    }
  }
  return published;
}

// Is a name of a certificate one that a rule serves?
bool is_served(const std::string& name, const Published& published) {
  const auto serves = [&](std::string_view one) {
    if (one == "*" || one == name) return true;
    if (name.starts_with("*.")) return dns_name_covers(name, one) || one.ends_with(name.substr(1));
    return one.starts_with("*.") && name.size() > one.size() - 1 && name.ends_with(one.substr(1));
  };
  return published.known.contains(name) || std::ranges::any_of(published.known, serves);
}

void check_unserved(const Certificate& certificate, Location where, const Published& published,
                    Findings& findings) {
  std::string unserved;
  for (const std::string& name : certificate.dns_names()) {
    if (is_served(name, published)) continue;
    unserved += (unserved.empty() ? "" : ", ") + shown(name);
  }
  if (unserved.empty()) return;
  findings.note("certificate-name-unserved", where,
                "no rule of this listener serves " + unserved + ", which the certificate of " +
                    certificate.subject() + " is for",
                "publish it, if clients ask for it here");
}

}  // namespace

void check_certificate_names(const Configuration& configuration, Findings& findings) {
  const settings::Settings& settings = configuration.settings;
  const std::vector<Published> published = published_names(settings);
  for (std::size_t i = 0; i < settings.listeners.size(); ++i) {
    const Listener& listener = settings.listeners[i];
    if (!listener.https || published[i].names.empty()) continue;
    ListenerNames names(listener, configuration.certificates[i]);
    if (names.uncertain()) continue;
    for (const auto* name : published[i].names) {
      if (**name != "*" && !names.covers(**name)) names.report(*name, findings);
    }
    for (std::size_t k = 0; k < configuration.certificates[i].size(); ++k) {
      const auto& from = listener.https->certificates[k];
      check_unserved(*configuration.certificates[i][k],
                     from.chain->empty() ? from.pfx.where : from.chain.where, published[i],
                     findings);
    }
  }
}

}  // namespace ocsproxy
