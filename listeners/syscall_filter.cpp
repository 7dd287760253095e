#include "listeners/syscall_filter.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <span>

namespace ocsproxy {
namespace {

#ifdef OCSPROXY_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// ---- what kills

constexpr auto kNever = std::to_array<const char*>(
    {// other programs, other processes
     "execve", "execveat", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_open",
     "pidfd_getfd", "kcmp",
     // file systems and namespaces
     "mount", "umount2", "pivot_root", "chroot", "mount_setattr", "move_mount", "open_tree",
     "fsopen", "fsconfig", "fsmount", "fspick", "unshare", "setns", "open_by_handle_at", "mknod",
     "mknodat", "swapon", "swapoff", "quotactl", "acct", "fanotify_init",
     // the kernel and its doors
     "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf",
     "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
     "add_key", "keyctl", "request_key", "iopl", "ioperm", "modify_ldt", "lookup_dcookie", "syslog",
     "vhangup", "nfsservctl",
     // the machine
     "reboot", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname",
     "setdomainname"});

// ---- what is allowed whatever its arguments

constexpr auto kServing = std::to_array<const char*>(
    {// descriptors
     "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev",
     "pwritev2", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "lseek", "pipe2", "splice",
     "eventfd2", "timerfd_create", "timerfd_settime", "timerfd_gettime", "epoll_create1",
     "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select",
     "pselect6",
     // files, to look at
     "fstat", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2",
     "readlink", "readlinkat", "getdents64", "getcwd",
     // sockets
     "accept", "accept4", "bind", "listen", "connect", "shutdown", "getsockname", "getpeername",
     "getsockopt", "setsockopt", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg",
     // memory
     "brk", "munmap", "mremap", "madvise",
     // threads, signals, time
     "futex", "futex_waitv", "set_robust_list", "set_tid_address", "rseq", "membarrier",
     "sched_yield", "sched_getaffinity", "getcpu", "exit", "exit_group", "rt_sigaction",
     "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack", "restart_syscall",
     "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time",
     // a further filter, which can only take more away
     "seccomp",
     // who and where we are
     "capget", "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups",
     "getresuid", "getresgid", "uname", "sysinfo", "getrandom", "getrlimit", "getrusage"});

// Of a server that loads for itself: it takes the signals, binds, and makes the log, the socket for
// questions and the memory that a load is kept in.
constexpr auto kLoading = std::to_array<const char*>(
    {"signalfd4", "memfd_create", "unlink", "unlinkat", "mkdir", "mkdirat", "open", "openat"});

// Of AddressSanitizer and its siblings, which write reports, and look for leaks from a process of
// their own. Builds with them are for tests.
constexpr auto kOfSanitizers = std::to_array<const char*>(
    {"open", "openat", "prctl", "clone", "ptrace", "wait4", "kill", "tgkill", "mprotect", "mmap",
     "prlimit64", "setrlimit", "unlink", "ftruncate", "personality", "ioctl", "getdents"});

// ---- a filter

class Filter {
 public:
  explicit Filter(std::uint32_t otherwise) : context_(::seccomp_init(otherwise)) {}

  // `action` when all of `conditions` hold. What this machine does not have is passed over.
  void rule(std::uint32_t action, const char* call,
            std::initializer_list<scmp_arg_cmp> conditions = {}) {
    const int number = ::seccomp_syscall_resolve_name(call);
    if (number == __NR_SCMP_ERROR || context_ == nullptr || error_ != 0) return;
    const int added =
        ::seccomp_rule_add_array(context_.get(), action, number,
                                 static_cast<unsigned>(conditions.size()), conditions.begin());
    if (added != 0 && added != -EEXIST) error_ = -added;
  }
  void rules(std::uint32_t action, std::span<const char* const> calls) {
    for (const char* const call : calls) rule(action, call);
  }

  // `logged`: the kernel's log names what is refused.
  Status load(bool logged) {
    if (context_ == nullptr) return failed(ENOMEM);
    for (const auto& [attribute, value] :
         {std::pair{SCMP_FLTATR_ACT_BADARCH, std::uint32_t{SCMP_ACT_KILL_PROCESS}},
          std::pair{SCMP_FLTATR_CTL_OPTIMIZE, std::uint32_t{2}}}) {
      if (error_ == 0) error_ = -::seccomp_attr_set(context_.get(), attribute, value);
    }
    // Of all threads: ThreadSanitizer brings one along.
    (void)::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, 1);
    // Old kernels cannot log; they refuse all the same.
    if (logged) (void)::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_LOG, 1);
    // No new privileges: said once, since prctl(2) is on the list for the names of threads alone.
    if (!logged) (void)::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_NNP, 0);
    if (error_ == 0) error_ = -::seccomp_load(context_.get());
    if (error_ != 0) return failed(error_);
    return Done{};
  }

 private:
  static Error failed(int error) {
    return Error{.detail =
                     "the kernel takes no filter of system calls (seccomp): " + errno_text(error)};
  }
  struct Release {
    void operator()(scmp_filter_ctx context) const { ::seccomp_release(context); }
  };
  std::unique_ptr<void, Release> context_;
  int error_ = 0;
};

scmp_arg_cmp equals(unsigned argument, scmp_datum_t value) {
  return {.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}
// Of the bits in `mask` those in `value` are set and no other.
scmp_arg_cmp bits(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

Status forbid_what_kills() {
  Filter filter(SCMP_ACT_ALLOW);
  filter.rules(SCMP_ACT_KILL_PROCESS, kNever);
  if (!kSanitized) {
    filter.rule(SCMP_ACT_KILL_PROCESS, "ptrace");
    filter.rule(SCMP_ACT_KILL_PROCESS, "personality");
  }
  return filter.load(true);
}

// What glibc asks for at each start of a thread, to go on with clone. Of two filters that refuse
// the same it is the later one that logs, or does not.
Status refuse_without_a_word() {
  Filter filter(SCMP_ACT_ALLOW);
  filter.rule(SCMP_ACT_ERRNO(ENOSYS), "clone3");
  return filter.load(false);
}

// Calls that are allowed for one purpose and not for another.
void allow_in_part(Filter& filter) {
  const auto allow = [&filter](const char* call, std::initializer_list<scmp_arg_cmp> conditions) {
    filter.rule(SCMP_ACT_ALLOW, call, conditions);
  };
  // Netlink is how one asks for the addresses of the machine.
  for (const int family : {AF_UNIX, AF_INET, AF_INET6})
    allow("socket", {equals(0, static_cast<scmp_datum_t>(family))});
  allow("socket", {equals(0, AF_NETLINK), equals(2, 0)});
  // Threads, no processes. The flags of clone3 no filter can see.
  constexpr scmp_datum_t kThread = CLONE_VM | CLONE_THREAD;
  allow("clone", {bits(0, kThread, kThread)});
  // No memory is written and run.
  allow("mmap", {bits(2, PROT_EXEC, 0)});
  allow("mmap", {bits(2, PROT_EXEC | PROT_WRITE, PROT_EXEC)});
  allow("mprotect", {bits(2, PROT_EXEC, 0)});
  for (const unsigned long request : {FIONBIO, FIONREAD, TCGETS, SIOCOUTQ})
    allow("ioctl", {equals(1, request)});
  for (const int request : {PR_SET_NAME, PR_GET_NAME})  // of a thread
    allow("prctl", {equals(0, static_cast<scmp_datum_t>(request))});
  allow("prlimit64", {equals(2, 0)});                                   // to look, not to set
  allow("tgkill", {equals(0, static_cast<scmp_datum_t>(::getpid()))});  // abort(3)
  constexpr scmp_datum_t kWriting = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
  allow("open", {bits(1, kWriting, O_RDONLY)});
  allow("openat", {bits(2, kWriting, O_RDONLY)});
}

}  // namespace

Status confine(Confinement confinement) {
  if (confinement != Confinement::server) {
    if (Status status = forbid_what_kills(); !status) return status;
  }
  if (confinement == Confinement::supervisor) return Done{};
  Filter filter(SCMP_ACT_ERRNO(ENOSYS));
  filter.rules(SCMP_ACT_ALLOW, kServing);
  if (confinement == Confinement::alone) filter.rules(SCMP_ACT_ALLOW, kLoading);
  if (kSanitized) filter.rules(SCMP_ACT_ALLOW, kOfSanitizers);
  allow_in_part(filter);
  if (Status status = filter.load(true); !status) return status;
  return refuse_without_a_word();
}

}  // namespace ocsproxy
