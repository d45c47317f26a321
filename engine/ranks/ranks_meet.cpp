// SPDX-License-Identifier: GPL-3.0-or-later
// How ranks find one another, and their cards.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <future>
#include <stdexcept>
#include <string_view>
#include <thread>

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/io/json.h"
#include "engine/ranks/gloo_group.h"
#include "engine/ranks/ranks_impl.h"
#include "engine/runs/run_records.h"

namespace luthier {

namespace {

/// What ranks say to one another; another number is another language.
constexpr const char* kSpeech = "1";

std::string machine_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

/// Listens at this machine's loopback alone; -1 with errno where it cannot. c10d's own server would
/// listen to every machine.
int listen_here(int port) {
  const int number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  if (number < 0) return -1;
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(static_cast<std::uint16_t>(port));
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(number, reinterpret_cast<sockaddr*>(&place), sizeof place) == 0 &&
      listen(number, SOMAXCONN) == 0)
    return number;
  const int problem = errno;
  close(number);
  errno = problem;
  return -1;
}

/// c10d tells, with a backtrace, of each line that ends. What follows of it is said in sentences;
/// who wants both sets TORCH_CPP_LOG_LEVEL, which c10d reads by itself.
void quiet_c10d() {
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

/// The store that rank 0 serves. c10d's way to it cannot be interrupted, and waits without end for
/// a port that takes a line and says nothing, so a thread goes it, which is left behind where that
/// is so: the process ends then. Throws what c10d says, or that nothing answered.
c10::intrusive_ptr<c10d::TCPStore> found_store(const std::string& address,
                                               const c10d::TCPStoreOptions& options,
                                               const std::function<bool()>& go_on) {
  using Store = c10::intrusive_ptr<c10d::TCPStore>;
  constexpr std::chrono::milliseconds kLook{100};
  constexpr std::chrono::seconds kGrace{2};  // c10d's own sentence comes first where it has one
  const auto until = std::chrono::steady_clock::now() + options.timeout + kGrace;
  const auto promise = std::make_shared<std::promise<Store>>();
  std::future<Store> found = promise->get_future();
  std::thread([promise, address, options] {
    try {
      promise->set_value(c10::make_intrusive<c10d::TCPStore>(address, options));
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  }).detach();
  while (found.wait_for(kLook) != std::future_status::ready) {
    if (go_on && !go_on()) throw std::runtime_error("interrupted");
    if (std::chrono::steady_clock::now() >= until)
      throw std::runtime_error("what listens there does not answer");
  }
  return found.get();
}

}  // namespace

/// Rank 0's word on who has come. Where it is the end, the store goes with rank 0: whoever has come
/// hears it first.
void Ranks::Impl::say_verdict(const std::string& fault, int ranks) {
  constexpr std::chrono::seconds kHeard{10};
  set("verdict", fault);
  if (fault.empty()) return;
  const Clock::time_point until = Clock::now() + kHeard;
  for (int rank = 1; rank < ranks; ++rank)
    if (has(numbered("here", rank))) waited(numbered("bye", rank), until);
}

Result<std::shared_ptr<Ranks>> Ranks::meet(const RankPlace& place, const RankLimits& limits,
                                           const std::function<bool()>& go_on) {
  quiet_c10d();
  std::signal(SIGPIPE, SIG_IGN);  // a rank that is gone is an error of the write to it
  const std::string where = place.address + ":" + std::to_string(place.port);
  const auto until = Impl::Clock::now() + limits.come;
  auto impl = std::make_unique<Impl>();
  impl->limits = limits;
  const bool serves = place.rank == 0 && !place.store_elsewhere;
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(place.port);
  options.isServer = serves;
  options.waitWorkers = false;
  options.timeout = limits.come;
  const auto cannot_listen = [&](const std::string& why) {
    return machine_error("Rank 0 cannot listen at " + where + " (" + why + ").", "MASTER_PORT",
                         "Another program may have the port; name a free one.");
  };
  if (serves && is_loopback(place.address)) {
    const int listening = listen_here(place.port);
    if (listening < 0) return cannot_listen(std::strerror(errno));
    options.masterListenFd = listening;
  }
  const auto interrupted = [&] { return go_on && !go_on(); };
  try {
    auto store = found_store(place.address, options, go_on);
    impl->store = c10::make_intrusive<c10d::PrefixStore>("luthier" + place.attempt, store);
  } catch (const std::exception& failure) {
    if (interrupted()) return interrupted_error();
    if (serves) return cannot_listen(first_line(failure.what()));
    return machine_error(
        "Rank " + std::to_string(place.rank) + " found no rank 0 at " + where + " within " +
            std::to_string(limits.come.count()) + " s (" + first_line(failure.what()) + ").",
        "MASTER_ADDR, MASTER_PORT", "Start rank 0, and see that this machine reaches it there.");
  }
  try {
    const Json here = {{"speech", kSpeech},
                       {"version", luthier_version()},
                       {"machine", machine_name()},
                       {"process", static_cast<std::int64_t>(getpid())},
                       {"ranks", place.size}};
    impl->set(numbered("here", place.rank), here.dump());
    if (place.rank == 0) {
      std::vector<int> missing;
      std::string fault;
      for (int rank = 1; rank < place.size; ++rank) {
        if (!impl->waited(numbered("here", rank), until, go_on)) {
          missing.push_back(rank);
          continue;
        }
        const Json other = Json::parse(impl->get(numbered("here", rank)), nullptr, false);
        for (const char* fact : {"speech", "version", "ranks"}) {
          if (!fault.empty() || !other.is_object() || other.value(fact, Json()) == here.at(fact))
            continue;
          fault = "Rank " + std::to_string(rank) + " on " + other.value("machine", "?") + " has " +
                  fact + " " + other.value(fact, Json()).dump() + ", rank 0 has " +
                  here.at(fact).dump() + ".";
        }
      }
      if (!missing.empty())
        fault = rank_list(missing) + " of " + std::to_string(place.size) + " did not come within " +
                std::to_string(limits.come.count()) + " s.";
      if (interrupted()) fault = "Rank 0 was interrupted.";
      impl->say_verdict(fault, place.size);
      if (interrupted()) return interrupted_error();
      if (!fault.empty())
        return machine_error(fault, where,
                             "Start as many ranks as the launcher says, of one build.");
    } else {
      if (!impl->waited("verdict", until + limits.come, go_on)) {
        if (interrupted()) return interrupted_error();
        return machine_error("Rank 0 did not say within " +
                                 std::to_string(2 * limits.come.count()) + " s that all are there.",
                             where);
      }
      const std::string fault = impl->get("verdict");
      if (!fault.empty()) {
        impl->set(numbered("bye", place.rank), "");
        return machine_error(fault, where);
      }
    }
    impl->group = gloo_group(c10::make_intrusive<c10d::PrefixStore>("gloo", impl->store),
                             place.rank, place.size, place.address, limits.come);
    impl->group->setTimeout(limits.answer);
  } catch (const std::exception& failure) {
    if (interrupted()) return interrupted_error();
    return machine_error("Rank " + std::to_string(place.rank) +
                             " lost the others while they met (" + first_line(failure.what()) +
                             ").",
                         where, "Let all machines of the run reach one another.");
  }
  return std::shared_ptr<Ranks>(new Ranks(place, std::move(impl)));
}

Status Ranks::join_cards(torch::Device device, const std::string& library) {
  if (device.is_cpu()) return {};  // at all ranks, which have agreed on the kind of device
  impl_->cards.reset();
  impl_->presence.reset();
  // Whether all ranks have come so far; rank 0 says why one has not.
  const auto all_can = [&](const Status& own) -> Result<bool> {
    LUTHIER_TRY(const std::vector<std::string> faults,
                gather(own ? std::string() : own.error().sentence()));
    for (std::size_t rank = 0; rank < faults.size(); ++rank) {
      if (faults[rank].empty()) continue;
      impl_->cards.reset();
      impl_->presence.reset();
      if (leads())
        log_warning(
            "What ranks send goes through the machines' memory, since cards are not linked. "
            "Rank " +
            std::to_string(rank) + ": " + faults[rank]);
      return false;
    }
    return true;
  };
  const char* link = std::getenv("LUTHIER_LINK");
  auto meeting = link && std::string_view(link) == "gloo"
                     ? machine_error("LUTHIER_LINK is gloo.")
                     : NcclLine::new_meeting(library);  // not of rank 0 alone: whether it is there
  LUTHIER_TRY(const bool there, all_can(meeting ? Status() : meeting.error()));
  if (!there) return {};
  LUTHIER_TRY(const std::vector<std::string> meetings, gather(*meeting));
  try {
    const std::string prefix = numbered("presence", impl_->joined++);
    impl_->presence = std::make_unique<Presence>(
        gloo_group(c10::make_intrusive<c10d::PrefixStore>(prefix, impl_->store), place_.rank,
                   place_.size, place_.address, impl_->limits.come),
        place_.rank, place_.size);
  } catch (const std::exception& failure) {
    return lost(failure.what());
  }
  auto cards = NcclLine::join(meetings.front(), place_.rank, place_.size, device,
                              impl_->limits.come, library);
  if (cards) impl_->cards = cards.take();
  LUTHIER_TRY(const bool linked, all_can(cards ? Status() : cards.error()));
  if (linked && leads()) log_info("Ranks send gradients from card to card, over NCCL.");
  return {};
}

torch::Device Ranks::line() const {
  return impl_->cards ? impl_->cards->device() : torch::Device(torch::kCPU);
}

}  // namespace luthier
