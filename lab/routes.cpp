#include "lab/routes.h"

#include <array>

#include "lab/websocket.h"

namespace ocsproxy::lab {
namespace {

constexpr std::array<Route, 30> kRoutes = {{
    // path, all below too, integrated authentication, page
    {"/abs/ext", true, true, address_book},
    {"/abs/int", true, true, address_book},
    {"/groupexpansion/ext", true, true, group_expansion},
    {"/groupexpansion/int", true, true, group_expansion},
    {"/conf/ext", true, false, conferencing},
    {"/conf/int", true, false, conferencing},
    {"/etc/place/null", true, false, meeting_content},
    {"/phoneconferencing/ext", true, true, phone_conferencing},
    {"/autoupdate/ext", true, false, client_update},
    {"/autoupdate/int", true, false, client_update},
    {"/deviceupdatefiles_ext", true, false, firmware},
    {"/deviceupdatefiles_int", true, false, firmware},
    {"/requesthandlerext", true, false, device_update},
    {"/requesthandler", true, false, device_update},
    {"/lab/echo", true, false, echo},
    {"/lab/whoami", false, true, who_am_i},
    {"/lab/private", true, true, echo},
    {"/lab/counters", false, false, show_counters},
    {"/lab/page", false, false, browser_page},
    {"/lab/page.js", false, false, browser_script},
    {"/lab/page.svg", false, false, browser_image},
    {"/lab/redirect", false, false, redirect},
    {"/lab/cookie", false, false, set_cookie},
    {"/lab/status", false, false, any_status},
    {"/lab/content", true, false, any_content},
    {"/lab/chunks", false, false, chunks},
    {"/lab/events", false, false, drip_events},
    {"/lab/poll", false, false, long_poll},
    {"/lab/mirror", false, false, mirror},
    {"/lab/ws", false, false, web_socket},
}};
constexpr Route kNotFound = {"", true, false, not_found};

bool covers(const Route& route, std::string_view path) {
  if (!path.starts_with(route.path)) return false;
  return path.size() == route.path.size() || (route.below && path[route.path.size()] == '/');
}

}  // namespace

const Route& find_route(std::string_view path) {
  for (const Route& route : kRoutes) {
    if (covers(route, path)) return route;
  }
  return kNotFound;
}

}  // namespace ocsproxy::lab
