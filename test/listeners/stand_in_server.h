// A small program to be loaded and supervised: its configuration is a file of words, and its server
// answers one line a connection.
#pragma once

#include <string>

#include "listeners/control.h"

namespace ocsproxy::test {

// The configuration, one setting a line:
//   listen ADDRESS PORT     as often as wanted
//   generation TEXT         what the server answers to `generation`
//   key PATH                a file that the loader reads for the server
//   log PATH                the access log
//   workers N, drain MS
//   warn TEXT               the load succeeds with this finding
//   fail TEXT               the load fails with this finding
//   unreadable              the load fails: the configuration cannot be read
//   loader-dies, loader-hangs
//   refuse TEXT             the server refuses the load
//   server-dies             the server dies from the load
//   lingers                 the server does not end when it is told to drain, but when told again
//   stays                   not then either
LoadFunction stand_in_load(std::string path);

// Serves until it is drained. What a client may say:
//   generation, pid, drop (of its privileges: what is left), key (its bytes), open-key (can the
//   server itself read it?), log TEXT, sockets (how many listen), reload, die
int stand_in_serve(ControlSource& control);

}  // namespace ocsproxy::test
