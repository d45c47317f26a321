// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/ranks/ranks.h"

#include <cstring>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/io/json.h"
#include "engine/ranks/gloo_group.h"
#include "engine/ranks/ranks_impl.h"

namespace luthier {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kRollCall{5};  ///< until who is alive has answered
constexpr std::chrono::minutes kReason{10};   ///< until rank 0, which saves first, has said why
constexpr std::chrono::seconds kGoodbye{10};
constexpr const char* kEnd = "end ";  ///< the last order, and why

torch::Tensor as_tensor(const std::string& bytes, std::int64_t length) {
  torch::Tensor tensor = torch::zeros({length}, torch::kUInt8);
  std::memcpy(tensor.mutable_data_ptr<std::uint8_t>(), bytes.data(), bytes.size());
  return tensor;
}

}  // namespace

Ranks::Ranks(RankPlace place, std::unique_ptr<Impl> impl)
    : place_(std::move(place)), impl_(std::move(impl)) {}

Ranks::~Ranks() {
  if (!impl_->left) leave("It ended early.");
}

Result<torch::Tensor> Ranks::exchange(const torch::Tensor& bytes, std::vector<std::int64_t> to,
                                      std::vector<std::int64_t> from) {
  if (impl_->broken) return *impl_->broken;
  std::int64_t arriving = 0;
  for (const std::int64_t count : from) arriving += count;
  torch::Tensor out = torch::empty({arriving}, bytes.options()), in = bytes;
  try {
    if (bytes.is_cpu()) {
      impl_->group->alltoall_base(out, in, from, to)->wait();
    } else if (const Status sent =
                   impl_->cards->exchange(bytes, to, out, from, impl_->while_there());
               !sent) {
      return lost(sent.error().sentence());
    }
  } catch (const std::exception& failure) {
    return lost(failure.what());
  }
  return out;
}

Result<torch::Tensor> Ranks::gather(const torch::Tensor& bytes) {
  if (impl_->broken) return *impl_->broken;
  torch::Tensor out = torch::empty({size() * bytes.numel()}, bytes.options()), in = bytes;
  try {
    if (bytes.is_cpu()) {
      if (bytes.numel() > 0) impl_->group->_allgather_base(out, in)->wait();
    } else if (bytes.numel() > 0) {
      const Status sent = impl_->cards->gather(bytes, out, impl_->while_there());
      if (!sent) return lost(sent.error().sentence());
    }
  } catch (const std::exception& failure) {
    return lost(failure.what());
  }
  return out.view({size(), bytes.numel()});
}

Result<std::vector<std::string>> Ranks::gather(const std::string& mine) {
  // Most of what is said is short and comes in one go.
  constexpr std::int64_t kRoom = 1024, kLength = sizeof(std::int64_t);
  const auto length = static_cast<std::int64_t>(mine.size());
  std::string head(reinterpret_cast<const char*>(&length), sizeof length);
  head += mine.substr(0, kRoom - kLength);
  LUTHIER_TRY(const torch::Tensor heads, gather(as_tensor(head, kRoom)));
  std::vector<std::int64_t> lengths;
  const auto* start = reinterpret_cast<const char*>(heads.const_data_ptr<std::uint8_t>());
  for (int rank = 0; rank < size(); ++rank) {
    std::int64_t value = 0;
    std::memcpy(&value, start + rank * kRoom, sizeof value);
    lengths.push_back(value);
  }
  const std::int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  torch::Tensor rest;
  if (longest > kRoom - kLength) {
    const std::string tail = length > kRoom - kLength ? mine.substr(kRoom - kLength) : "";
    LUTHIER_TRY(rest, gather(as_tensor(tail, longest - (kRoom - kLength))));
  }
  std::vector<std::string> all;
  for (int rank = 0; rank < size(); ++rank) {
    const std::int64_t count = lengths[static_cast<std::size_t>(rank)],
                       first = std::min(count, kRoom - kLength);
    std::string text(start + rank * kRoom + kLength, static_cast<std::size_t>(first));
    if (count > first)
      text.append(
          reinterpret_cast<const char*>(rest.const_data_ptr<std::uint8_t>()) + rank * rest.size(1),
          static_cast<std::size_t>(count - first));
    all.push_back(std::move(text));
  }
  return all;
}

Status Ranks::agree(const Facts& facts) {
  Json mine = Json::object();
  for (const auto& [name, value] : facts) mine[name] = value;
  LUTHIER_TRY(const std::vector<std::string> all, gather(mine.dump()));
  const Json first = Json::parse(all.front(), nullptr, false);
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    const Json other = Json::parse(all[rank], nullptr, false);
    for (const auto& [name, value] : facts) {
      if (first.value(name, "") == other.value(name, "")) continue;
      return input_error("Rank " + std::to_string(rank) + " has another " + name +
                             " than rank 0: " + other.value(name, "") + " beside " +
                             first.value(name, "") + ".",
                         name, "Give all ranks the same files and settings.");
    }
  }
  return {};
}

Status Ranks::keep(std::vector<torch::Tensor> pieces) {
  LUTHIER_TRY(const std::vector<std::string> all, gather(std::string("keeps")));  // all are there
  try {
    auto group = gloo_group(c10::make_intrusive<c10d::PrefixStore>("pieces", impl_->store),
                            place_.rank, place_.size, place_.address, impl_->limits.come);
    impl_->pieces =
        std::make_unique<KeptPieces>(std::move(group), place_.rank, place_.size, std::move(pieces));
  } catch (const std::exception& failure) {
    return lost(failure.what());
  }
  return {};
}

Status Ranks::ask(std::size_t which, const torch::Tensor& into) {
  if (impl_->broken) return *impl_->broken;
  try {
    impl_->pieces->ask(which, into);
  } catch (const std::exception& failure) {
    return lost(failure.what());
  }
  return {};
}

Status Ranks::arrived() {
  if (impl_->broken) return *impl_->broken;
  try {
    impl_->pieces->arrived(impl_->limits.answer);
  } catch (const std::exception& failure) {
    return lost(failure.what());
  }
  return {};
}

std::optional<Error> Ranks::fault() const { return impl_->broken; }

Status Ranks::order(const std::string& what) {
  if (impl_->broken) return *impl_->broken;
  try {
    impl_->set(numbered("order", impl_->orders), what);
    // Who took part in the last but one has heard those before it.
    if (impl_->orders >= 3) impl_->store->deleteKey(numbered("order", impl_->orders - 3));
    ++impl_->orders;
  } catch (const std::exception& failure) {
    return lost(failure.what());
  }
  return {};
}

Result<std::string> Ranks::next_order(const std::function<bool()>& go_on) {
  if (impl_->broken) return *impl_->broken;
  try {
    const std::string key = numbered("order", impl_->orders);
    while (!impl_->waited(key)) {
      if (go_on && !go_on()) return interrupted_error();
    }
    const std::string order = impl_->get(key);
    ++impl_->orders;
    if (!order.starts_with(kEnd)) return order;
    const std::string why = order.substr(std::strlen(kEnd));
    impl_->broken = why.empty() ? interrupted_error("Rank 0 has ended the run.")
                                : machine_error("Rank 0 has ended the run: " + why);
    impl_->set(numbered("bye", place_.rank), "");
    return why.empty() ? Result<std::string>(std::string("end")) : *impl_->broken;
  } catch (const std::exception& failure) {
    return ended_by_leader(failure.what());
  }
}

/// The reason that rank 0 has given, or that it gave none.
Error Ranks::ended_by_leader(const std::string& what) {
  const std::string place = place_.address + ":" + std::to_string(place_.port);
  impl_->broken = machine_error("Rank 0, which leads the run, is gone without a word.", place,
                                "What it has saved stands: start all ranks again with --resume.");
  log_debug("The line to rank 0: " + first_line(what));
  return *impl_->broken;
}

Error Ranks::lost(const std::string& what) {
  log_debug("Rank " + std::to_string(place_.rank) + ": " + first_line(what));
  try {
    if (!leads()) {
      impl_->set(numbered("alive", place_.rank), "");
      const Clock::time_point until = Clock::now() + kReason;
      while (Clock::now() < until) {
        const std::string key = numbered("order", impl_->orders);
        if (!impl_->waited(key)) continue;
        const std::string order = impl_->get(key);
        ++impl_->orders;
        if (!order.starts_with(kEnd)) continue;
        impl_->set(numbered("bye", place_.rank), "");
        impl_->broken =
            machine_error("Rank 0 has ended the run: " + order.substr(std::strlen(kEnd)));
        return *impl_->broken;
      }
      impl_->broken = machine_error("Rank " + std::to_string(place_.rank) +
                                    " lost the other ranks (" + first_line(what) + ").");
      return *impl_->broken;
    }
    const Clock::time_point until = Clock::now() + kRollCall;
    std::vector<int> missing;
    for (int rank = 1; rank < size(); ++rank) {
      if (impl_->waited(numbered("alive", rank), until)) continue;
      if (!impl_->has(numbered("fault", rank))) missing.push_back(rank);
    }
    for (int rank = 1; rank < size(); ++rank) {
      if (!impl_->has(numbered("fault", rank))) continue;
      impl_->broken = machine_error("Rank " + std::to_string(rank) +
                                    " ended: " + impl_->get(numbered("fault", rank)));
      return *impl_->broken;
    }
    const std::string who =
        missing.empty()       ? "A rank was cut off for a moment (" + first_line(what) + ")."
        : missing.size() == 1 ? rank_list(missing) + " is gone without a word."
                              : rank_list(missing) + " did not answer: one of them is gone.";
    impl_->broken = machine_error(who);
    return *impl_->broken;
  } catch (const std::exception& failure) {
    return ended_by_leader(failure.what());
  }
}

void Ranks::leave(const std::string& why) {
  if (std::exchange(impl_->left, true)) return;
  try {
    const bool was_broken = impl_->broken.has_value();
    if (!leads()) {
      if (!why.empty() && !was_broken) impl_->set(numbered("fault", place_.rank), why);
    } else {
      impl_->set(numbered("order", impl_->orders), kEnd + why);
    }
    // Who is in the midst of something with this rank comes out of it, and hears why.
    if (!why.empty()) impl_->group.reset();
    impl_->pieces.reset();
    impl_->presence.reset();
    impl_->cards.reset();
    if (!impl_->broken) impl_->broken = machine_error("This rank has left the run.");
    const Clock::time_point until = Clock::now() + (was_broken ? kRollCall : kGoodbye);
    for (int rank = 1; leads() && rank < size(); ++rank) {
      while (!impl_->has(numbered("bye", rank)) && !impl_->has(numbered("fault", rank)) &&
             Clock::now() < until)
        std::this_thread::sleep_for(Impl::kLongest);
    }
  } catch (const std::exception& failure) {
    log_debug("Leaving: " + first_line(failure.what()));
  }
}

}  // namespace luthier
