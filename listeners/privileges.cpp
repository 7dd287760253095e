#include "listeners/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace ocsproxy {
namespace {

Error cannot(const std::string& what) {
  return Error{.detail = "cannot give up root: " + what + ": " + errno_text(errno)};
}

Status clear_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  if (::syscall(SYS_capset, &header, none.data()) != 0) return cannot("capabilities");
  return Done{};
}

Status verify(const Account& account) {
  uid_t user[3];
  gid_t group[3];
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> left{};
  if (::getresuid(&user[0], &user[1], &user[2]) != 0 ||
      ::getresgid(&group[0], &group[1], &group[2]) != 0 ||
      ::syscall(SYS_capget, &header, left.data()) != 0) {
    return cannot("asking what is left");
  }
  bool gone = ::getgroups(0, nullptr) == 0;
  for (int i = 0; i < 3; ++i) gone = gone && user[i] == account.user && group[i] == account.group;
  for (const auto& word : left) {
    gone = gone && word.effective == 0 && word.permitted == 0 && word.inheritable == 0;
  }
  // The proof of the pudding.
  if (!gone || ::setuid(0) == 0) {
    return Error{.detail = "cannot give up root: some of it is left"};
  }
  return Done{};
}

}  // namespace

Result<Account> find_account(const std::string& wanted) {
  const passwd* account = nullptr;
  if (wanted.empty()) {
    account = ::getpwnam("ocsproxy");
    if (account == nullptr) account = ::getpwnam("nobody");
  } else {
    account = ::getpwnam(wanted.c_str());
  }
  if (account == nullptr) {
    return Error{.detail = "there is no account \"" + (wanted.empty() ? "nobody" : wanted) +
                           "\" to serve as; make one (useradd --system ocsproxy), or name another "
                           "with --user"};
  }
  if (account->pw_uid == 0 || account->pw_gid == 0) {
    return Error{.detail =
                     std::string("the account \"") + account->pw_name +
                     "\" is root or of its group; name one with --user that has no privilege"};
  }
  return Account{account->pw_name, account->pw_uid, account->pw_gid};
}

Status become(const Account& account) {
  // Fails past the last capability that the kernel knows, and where a container took the right to
  // do it, along with the capabilities.
  for (unsigned long capability = 0; ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;) {
    ++capability;
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return cannot("PR_SET_NO_NEW_PRIVS");
  if (::setgroups(0, nullptr) != 0) return cannot("groups");
  if (::setresgid(account.group, account.group, account.group) != 0) return cannot("group");
  if (::setresuid(account.user, account.user, account.user) != 0) return cannot("user");
  if (Status cleared = clear_capabilities(); !cleared) return cleared;
  // The kernel forgets it with each change of the account.
  if (Status kept = keep_memory_private(); !kept) return kept;
  return verify(account);
}

Status keep_memory_private() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return Error{.detail = "cannot switch off core dumps: " + errno_text(errno)};
#ifdef OCSPROXY_SANITIZED
  // LeakSanitizer looks from a process of its own, at the very end.
  (void)std::atexit([] { (void)::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); });
#endif
  return Done{};
}

bool end_with_parent(pid_t parent) {
  return ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && ::getppid() == parent;
}

}  // namespace ocsproxy
