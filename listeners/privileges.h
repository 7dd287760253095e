// Giving up root.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/error.h"

namespace ocsproxy {

struct Account {
  std::string name;
  uid_t user = 0;
  gid_t group = 0;
};

// The account to serve as: `wanted`, or when that is empty `ocsproxy` if it exists and else
// `nobody`. Never root.
Result<Account> find_account(const std::string& wanted);

// The calling process, which has one thread, becomes the account's for good: no supplementary
// group, no capability, none to be had from any program it could start, and its memory is private.
// Checked afterwards; after an error the process must end.
Status become(const Account& account);

// Private keys are in the calling process: its memory is closed to other processes of the same
// account, and no core dump writes it to a disk.
Status keep_memory_private();

// The calling process is killed when its parent ends. To be called after `become`, which undoes it.
// False when the parent is gone already.
bool end_with_parent(pid_t parent);

}  // namespace ocsproxy
