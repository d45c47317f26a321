// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/session/elsewhere/far_line.h"

#include <algorithm>

namespace luthier {

namespace {

constexpr int kNotFound = 127, kSshFailed = 255;  // exit statuses of a shell, and of ssh

}  // namespace

std::string machine_of(const RunPlace& place) {
  return place.host.empty() ? "this machine" : place.host;
}

std::vector<std::string> serve_words(const RunPlace& place) {
  if (place.host.empty()) return {command_line_program().string(), "serve"};
  // No password can be typed here, no port and no agent is handed on, whatever ssh's own settings
  // say; a line that is dead is found to be within a minute.
  return {"ssh",         "-T",
          "-a",          "-x",
          "-o",          "BatchMode=yes",
          "-o",          "ClearAllForwardings=yes",
          "-o",          "ConnectTimeout=20",
          "-o",          "ServerAliveInterval=15",
          "-o",          "ServerAliveCountMax=4",
          "--",          place.host,
          "luthier-cli", "serve"};
}

Error cut_error(const RunPlace& place, int status, const std::string& said) {
  const auto says = [&](const char* words) { return said.find(words) != std::string::npos; };
  const std::string where = machine_of(place);
  if (place.host.empty())
    return machine_error("luthier-cli serve has ended." + (said.empty() ? "" : " It said: " + said),
                         where);
  if (status == kNotFound)
    return input_error(
        "There is no luthier-cli on that machine.", where,
        "Install Luthier there, or put it where the PATH of `ssh " + where + "` finds it.");
  if (status == kSshFailed && says("Permission denied"))
    return input_error(
        "That machine lets nobody in without a password.", where,
        "Give it a key of yours (ssh-copy-id " + where + "), or load the key (ssh-add).");
  if (status == kSshFailed && says("Host key verification failed"))
    return input_error("That machine's key is not known here, or is not the one that was.", where,
                       "Connect once by hand: ssh " + where + ".");
  if (status == kSshFailed && says("Could not resolve"))
    return input_error("There is no machine of that name.", where,
                       "Use a name that `ssh` knows, of ~/.ssh/config or of the network.");
  return machine_error(
      "The line to that machine was cut." + (said.empty() ? std::string() : " ssh said: " + said),
      where);
}

Status check_host(const std::string& host) {
  // A ProxyCommand of ssh's settings hands the name to a shell; behind "@" it may be an option.
  static const std::string shells = "'`\"$\\;&<>|(){}*?!#~";
  const auto odd = [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 127 || shells.find(c) != std::string::npos;
  };
  if (host.empty() || host[0] == '-' || host.find("@-") != std::string::npos ||
      std::any_of(host.begin(), host.end(), odd))
    return input_error("This is no name of a machine.", host,
                       "Write it as for ssh: name, user@name, or a Host of ~/.ssh/config.");
  return {};
}

}  // namespace luthier
