// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/state_watch.h"

#include <algorithm>

namespace luthier {

namespace {
thread_local StateWatch* state_watching = nullptr;
}

StateWatch::StateWatch(torch::Tensor places, std::vector<std::int64_t> which)
    : places_(std::move(places)), which_(std::move(which)), outer_(state_watching) {
  state_watching = this;
}
StateWatch::~StateWatch() { state_watching = outer_; }
StateWatch* StateWatch::here() { return state_watching; }

bool StateWatch::asks(std::int64_t layer) const {
  return std::find(which_.begin(), which_.end(), layer) != which_.end();
}

}  // namespace luthier
