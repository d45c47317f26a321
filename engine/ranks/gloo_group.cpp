// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/ranks/gloo_group.h"

#include <cstdlib>

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

namespace luthier {

bool is_loopback(const std::string& address) {
  return address == "localhost" || address.starts_with("127.");
}

c10::intrusive_ptr<c10d::Backend> gloo_group(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                             int size, const std::string& address,
                                             std::chrono::milliseconds timeout) {
  using Gloo = c10d::ProcessGroupGloo;
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
