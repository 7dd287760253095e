// Which page answers a path.
#pragma once

#include <string_view>

#include "lab/visit.h"

namespace ocsproxy::lab {

struct Route {
  std::string_view path;    // lower case
  bool below = false;       // and everything below it
  bool integrated = false;  // asks for integrated Windows authentication
  Page page = nullptr;
};

// The route of a lower-case path; one that says "not found" when there is none.
const Route& find_route(std::string_view path);

// The directories that OCS publishes, inside and outside.
Awaitable<void> address_book(Visit visit);
Awaitable<void> group_expansion(Visit visit);
Awaitable<void> conferencing(Visit visit);
Awaitable<void> meeting_content(Visit visit);
Awaitable<void> phone_conferencing(Visit visit);
Awaitable<void> client_update(Visit visit);
Awaitable<void> firmware(Visit visit);
Awaitable<void> device_update(Visit visit);

// What is only in the lab.
Awaitable<void> echo(Visit visit);
Awaitable<void> who_am_i(Visit visit);
Awaitable<void> show_counters(Visit visit);
Awaitable<void> browser_page(Visit visit);
Awaitable<void> browser_script(Visit visit);
Awaitable<void> browser_image(Visit visit);
Awaitable<void> redirect(Visit visit);
Awaitable<void> set_cookie(Visit visit);
Awaitable<void> any_status(Visit visit);
Awaitable<void> any_content(Visit visit);
Awaitable<void> chunks(Visit visit);
Awaitable<void> drip_events(Visit visit);
Awaitable<void> long_poll(Visit visit);
Awaitable<void> mirror(Visit visit);

}  // namespace ocsproxy::lab
