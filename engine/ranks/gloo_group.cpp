// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/ranks/gloo_group.h"

#include <cstdlib>
#include <mutex>

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

namespace luthier {

namespace {

/// c10d notes each call of a group, with where it came from, in a table of the process that it
/// enters before it locks it: two groups that are first used by two threads at once (a base's pieces
/// and gradients) break it. Nobody reads the notes here.
void note_no_calls() {
  static std::once_flag once;
  std::call_once(once, [] { setenv("TORCH_FR_BUFFER_SIZE", "0", /*overwrite=*/0); });
}

}  // namespace

bool is_loopback(const std::string& address) {
  return address == "localhost" || address.starts_with("127.");
}

c10::intrusive_ptr<c10d::Backend> gloo_group(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                             int size, const std::string& address,
                                             std::chrono::milliseconds timeout) {
  using Gloo = c10d::ProcessGroupGloo;
  note_no_calls();
  auto options = Gloo::Options::create(timeout);
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  if (interface && *interface)
    options->devices.push_back(Gloo::createDeviceForInterface(interface));
  else if (is_loopback(address))
    options->devices.push_back(Gloo::createDeviceForHostname("127.0.0.1"));
  else
    options->devices.push_back(Gloo::createDefaultDevice());
  return c10::make_intrusive<Gloo>(store, rank, size, options);
}

}  // namespace luthier
