// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/pretend/own_kernels.h"

#include <cstddef>
#include <cstring>
#include <vector>

#include "engine/kernels/launcher.h"
#include "tests/pretend/arena.h"
#include "tests/pretend/graph.h"
#include "tests/pretend/ledger.h"

namespace luthier::pretend {

namespace {

/// A launch with its arguments as they were, as a card's graph keeps them.
class KeptLaunch {
 public:
  explicit KeptLaunch(const Launch& launch) : launch_(launch) {
    for (std::size_t i = 0; i < launch.count; ++i) {
      const auto* from = static_cast<const char*>(launch.arguments[i]);
      // In words, so that each is aligned for any type.
      auto& to = values_.emplace_back((launch.sizes[i] + sizeof(std::max_align_t) - 1) /
                                      sizeof(std::max_align_t));
      std::memcpy(to.data(), from, launch.sizes[i]);
    }
  }
  /// As long as this object lives.
  Launch again() const {
    places_.clear();
    for (auto& value : values_) places_.push_back(value.data());
    Launch launch = launch_;
    launch.arguments = places_.data();
    return launch;
  }

 private:
  Launch launch_;
  mutable std::vector<std::vector<std::max_align_t>> values_;
  mutable std::vector<void*> places_;
};

}  // namespace

OwnKernels::OwnKernels() {
  shim_.reach = readable_address;
  shim_.instead = [this](const Launch& launch) {
    Work work;
    work.name = launch.kernel.entry;
    work.bytes = launch.bytes;
    record(work);
    if (is_recording()) note([this, kept = KeptLaunch(launch)] { shim_.launch(kept.again(), 0); });
    return is_dry();
  };
  before_ = kernels::set_launcher(c10::DeviceType::PrivateUse1, &shim_);
}

OwnKernels::~OwnKernels() { kernels::set_launcher(c10::DeviceType::PrivateUse1, before_); }

}  // namespace luthier::pretend
