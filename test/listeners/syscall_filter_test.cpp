// What a confined process can ask the kernel for, asked in a child that is confined as the program
// is.
#include "listeners/syscall_filter.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "listeners/endpoint.h"
#include "listeners/load_bundle.h"
#include "scratch.h"

namespace ocsproxy {
namespace {

// A call, made by number so that no library comes between; the result is -1 and errno.
struct Call {
  const char* name;
  long (*make)();
};

std::string outcome(const std::vector<Confinement>& steps, long (*make)()) {
  test::ChildProcess child([&] {
    for (const Confinement step : steps) {
      if (!confine(step)) return 100;
    }
    if (make() >= 0) return 0;
    return errno == ENOSYS ? 1 : 2;
  });
  const auto status = child.wait();
  if (!status) return "hangs";
  if (WIFSIGNALED(*status)) return WTERMSIG(*status) == SIGSYS ? "kills" : "another signal";
  switch (WEXITSTATUS(*status)) {
    case 0:
      return "succeeds";
    case 1:
      return "is not there";
    case 2:
      return "is let through, and fails";
    default:
      return "no filter";
  }
}

const std::vector<Confinement> kServer{Confinement::supervisor, Confinement::server};
const std::vector<Confinement> kAlone{Confinement::alone};
const std::vector<Confinement> kSupervisor{Confinement::supervisor};

const std::vector<Call> kThatKill{
    {"execve", [] { return ::syscall(SYS_execve, "/bin/true", nullptr, nullptr); }},
    {"execveat",
     [] { return ::syscall(SYS_execveat, AT_FDCWD, "/bin/true", nullptr, nullptr, 0); }},
    {"mount", [] { return ::syscall(SYS_mount, "none", "/", "tmpfs", 0, nullptr); }},
    {"unshare", [] { return ::syscall(SYS_unshare, CLONE_NEWUSER); }},
    {"setns", [] { return ::syscall(SYS_setns, 0, 0); }},
    {"chroot", [] { return ::syscall(SYS_chroot, "/"); }},
    {"pivot_root", [] { return ::syscall(SYS_pivot_root, "/", "/"); }},
    {"process_vm_readv",
     [] { return ::syscall(SYS_process_vm_readv, ::getppid(), nullptr, 0, nullptr, 0, 0); }},
    {"bpf", [] { return ::syscall(SYS_bpf, BPF_MAP_CREATE, nullptr, 0); }},
    {"perf_event_open", [] { return ::syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0); }},
    {"io_uring_setup", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
    {"userfaultfd", [] { return ::syscall(SYS_userfaultfd, 0); }},
    {"keyctl", [] { return ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }},
    {"init_module", [] { return ::syscall(SYS_init_module, nullptr, 0, ""); }},
    {"kexec_load", [] { return ::syscall(SYS_kexec_load, 0, 0, nullptr, 0); }},
    {"reboot", [] { return ::syscall(SYS_reboot, 0, 0, 0, nullptr); }},
};

TEST(SyscallFilter, what_no_honest_way_leads_to_kills_every_kind_of_process) {
  for (const Call& call : kThatKill) {
    EXPECT_EQ(outcome(kServer, call.make), "kills") << call.name;
    EXPECT_EQ(outcome(kAlone, call.make), "kills") << call.name;
    EXPECT_EQ(outcome(kSupervisor, call.make), "kills") << call.name;
  }
}

long socket_of(int family, int type, int protocol = 0) {
  return ::syscall(SYS_socket, family, type, protocol);
}

long map(int protection) {
  void* const at = ::mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? -1 : 0;
}

// What builds with sanitizers need themselves is not refused there.
#ifdef OCSPROXY_SANITIZED
const std::vector<Call> kRefusedUnlessSanitized{};
const std::vector<Call> kRefusedToServersUnlessSanitized{};
#else
const std::vector<Call> kRefusedUnlessSanitized{
    {"fork", [] { return ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0); }},
    {"writable and executable memory", [] { return map(PROT_READ | PROT_WRITE | PROT_EXEC); }},
    {"making memory executable",
     [] {
       void* const at =
           ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       return static_cast<long>(::mprotect(at, 4096, PROT_READ | PROT_EXEC));
     }},
    {"prctl", [] { return ::syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0); }},
    {"kill", [] { return ::syscall(SYS_kill, ::getpid(), 0); }},
    {"tgkill of another", [] { return ::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0); }},
    {"setting a limit",
     [] {
       const rlimit limit{1'024, 1'024};
       return ::syscall(SYS_prlimit64, 0, RLIMIT_CORE, &limit, nullptr);
     }},
    {"typing on a terminal", [] { return ::syscall(SYS_ioctl, 0, TIOCSTI, "x"); }},
};
const std::vector<Call> kRefusedToServersUnlessSanitized{
    {"writing a file", [] { return ::syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY, 0); }},
    {"making a file",
     [] {
       return ::syscall(SYS_openat, AT_FDCWD, "/tmp/ocsproxy-filter", O_RDONLY | O_CREAT, 0600);
     }},
    {"unlink", [] { return ::syscall(SYS_unlink, "/nonexistent"); }},
};
#endif

const std::vector<Call> kRefused{
    {"clone3", [] { return ::syscall(SYS_clone3, nullptr, 0); }},
    {"vfork", [] { return ::syscall(SYS_vfork); }},
    {"setuid", [] { return ::syscall(SYS_setuid, 0); }},
    {"capset", [] { return ::syscall(SYS_capset, nullptr, nullptr); }},
    {"chown", [] { return ::syscall(SYS_chown, "/nonexistent", 0, 0); }},
    {"link", [] { return ::syscall(SYS_link, "/nonexistent", "/tmp/x"); }},
    {"symlink", [] { return ::syscall(SYS_symlink, "/nonexistent", "/tmp/x"); }},
    {"shmget", [] { return ::syscall(SYS_shmget, 0, 4096, 0); }},
    {"inotify_init1", [] { return ::syscall(SYS_inotify_init1, 0); }},
    {"vmsplice", [] { return ::syscall(SYS_vmsplice, 0, nullptr, 0, 0); }},
    {"packet socket", [] { return socket_of(AF_PACKET, SOCK_RAW); }},
    {"VSOCK socket", [] { return socket_of(AF_VSOCK, SOCK_STREAM); }},
    {"crypto socket", [] { return socket_of(AF_ALG, SOCK_SEQPACKET); }},
    {"Bluetooth socket", [] { return socket_of(AF_BLUETOOTH, SOCK_STREAM); }},
    {"netlink of netfilter", [] { return socket_of(AF_NETLINK, SOCK_RAW, 12); }},
};

TEST(SyscallFilter, what_is_not_on_the_list_is_as_if_the_kernel_did_not_have_it) {
  for (const auto* const calls : {&kRefused, &kRefusedUnlessSanitized}) {
    for (const Call& call : *calls) {
      EXPECT_EQ(outcome(kServer, call.make), "is not there") << call.name;
      EXPECT_EQ(outcome(kAlone, call.make), "is not there") << call.name;
    }
  }
  for (const Call& call : kRefusedToServersUnlessSanitized)
    EXPECT_EQ(outcome(kServer, call.make), "is not there") << call.name;
}

TEST(SyscallFilter, of_the_supervisor_lets_it_start_processes_and_drop_privileges) {
  EXPECT_EQ(outcome(kSupervisor,
                    [] {
                      const pid_t child = ::fork();
                      if (child == 0) ::_exit(0);
                      return static_cast<long>(::waitpid(child, nullptr, 0));
                    }),
            "succeeds");
  EXPECT_EQ(outcome(kSupervisor, [] { return static_cast<long>(::setuid(::geteuid())); }),
            "succeeds");
}

const std::vector<Call> kOfServing{
    {"IPv4 socket", [] { return socket_of(AF_INET, SOCK_STREAM); }},
    {"IPv6 socket", [] { return socket_of(AF_INET6, SOCK_DGRAM); }},
    {"Unix socket", [] { return socket_of(AF_UNIX, SOCK_STREAM); }},
    {"netlink of routing", [] { return socket_of(AF_NETLINK, SOCK_RAW, 0); }},
    {"a file to read", [] { return static_cast<long>(::open("/etc/passwd", O_RDONLY)); }},
    {"a folder", [] { return static_cast<long>(::open("/proc/self/fd", O_RDONLY | O_DIRECTORY)); }},
    {"a thread",
     [] {
       std::thread([] {}).join();
       return 0L;
     }},
    {"a library's code", [] { return map(PROT_READ | PROT_EXEC); }},
    {"a pipe",
     [] {
       int ends[2];
       return static_cast<long>(::pipe2(ends, O_CLOEXEC));
     }},
    {"the limit of descriptors",
     [] {
       rlimit limit{};
       return static_cast<long>(::getrlimit(RLIMIT_NOFILE, &limit));
     }},
};

TEST(SyscallFilter, lets_through_what_serving_takes) {
  for (const Call& call : kOfServing) {
    EXPECT_EQ(outcome(kServer, call.make), "succeeds") << call.name;
    EXPECT_EQ(outcome(kAlone, call.make), "succeeds") << call.name;
  }
}

TEST(SyscallFilter, of_one_process_lets_it_load) {
  EXPECT_EQ(outcome(kAlone, [] { return sealed_memory("bundle") ? 0L : -1L; }), "succeeds");
  EXPECT_EQ(
      outcome(kAlone,
              [] {
                return static_cast<long>(::open("/dev/null", O_WRONLY | O_APPEND | O_CREAT, 0640));
              }),
      "succeeds");
}

TEST(SyscallFilter, leaves_abort_its_signal) {
  test::ChildProcess child([] {
    for (const Confinement step : kServer) {
      if (!confine(step)) return 100;
    }
    std::abort();
  });
  const auto status = child.wait();
  ASSERT_TRUE(status && WIFSIGNALED(*status));
  EXPECT_EQ(WTERMSIG(*status), SIGABRT);
}

TEST(SyscallFilter, holds_for_threads_that_come_later_and_says_so_in_proc) {
  test::ChildProcess child([] {
    for (const Confinement step : kServer) {
      if (!confine(step)) return 100;
    }
    std::string state;
    std::thread([&] { state = test::read_file("/proc/thread-self/status"); }).join();
    const bool filtered = state.find("\nSeccomp:\t2\n") != std::string::npos;
    const bool no_new = state.find("\nNoNewPrivs:\t1\n") != std::string::npos;
    return filtered && no_new ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace ocsproxy
