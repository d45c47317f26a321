// SPDX-License-Identifier: GPL-3.0-or-later
// Stands in for libnccl.so.2: cards whose bytes go from one to the other by memcpy, between threads
// of one process. What is asked for is done at once, where NCCL's calls would return before.
#include "tests/ranks/fake_nccl.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int kDone = 0, kInvalid = 4, kRemote = 6;  // ncclResult_t
constexpr int kBytes = 1;
constexpr std::chrono::seconds kPatience{20};

struct Meeting {
  std::array<char, 128> bytes;
};

/// Cards that have met.
struct Circle {
  int size = 0, there = 0;
  std::map<std::pair<int, int>, std::deque<std::vector<char>>> ways;  ///< from, to
};
struct Member {
  std::shared_ptr<Circle> circle;
  int rank = 0;
};

std::mutex mutex;
std::condition_variable changed;
std::map<std::string, std::shared_ptr<Circle>> circles;
int meetings = 0, failing_code = 0;
std::string failing;
long sent = 0;
void* (*readable)(void*) = nullptr;

struct Asked {
  Member* member = nullptr;
  bool sends = false;
  char* bytes = nullptr;
  std::size_t count = 0;
  int other = 0;
};
thread_local bool in_group = false;
thread_local std::vector<Asked> group;

int answer(const char* call) {
  const std::lock_guard lock(mutex);
  return failing == call ? failing_code : kDone;
}

char* reach(const void* address) {
  auto* there = const_cast<void*>(address);
  return static_cast<char*>(readable ? readable(there) : there);
}

/// Bytes on their way; "bytes" that fail come as others.
void copy(char* to, const char* from, std::size_t count) {
  std::memcpy(to, from, count);
  if (failing == "bytes" && count > 0) to[count / 2] = static_cast<char>(to[count / 2] + 1);
}

/// What is sent first, then what is waited for.
int carry_out(const std::vector<Asked>& asked) {
  std::unique_lock lock(mutex);
  for (const Asked& each : asked) {
    if (!each.sends) continue;
    each.member->circle->ways[{each.member->rank, each.other}].emplace_back(
        each.bytes, each.bytes + each.count);
    sent += static_cast<long>(each.count);
  }
  changed.notify_all();
  for (const Asked& each : asked) {
    if (each.sends) continue;
    auto& way = each.member->circle->ways[{each.other, each.member->rank}];
    if (!changed.wait_for(lock, kPatience, [&] { return !way.empty(); })) return kRemote;
    if (way.front().size() != each.count) return kInvalid;
    copy(each.bytes, way.front().data(), each.count);
    way.pop_front();
  }
  return kDone;
}

int ask(const Asked& asked) {
  if (in_group) return group.push_back(asked), kDone;
  return carry_out({asked});
}

}  // namespace

extern "C" {

void fake_fail(const char* call, int code) {
  const std::lock_guard lock(mutex);
  failing = call, failing_code = code;
}
void fake_reach(void* (*how)(void*)) { readable = how; }
long fake_sent() {
  const std::lock_guard lock(mutex);
  return std::exchange(sent, 0);
}

int ncclGetUniqueId(Meeting* meeting) {
  const int result = answer("ncclGetUniqueId");
  const std::lock_guard lock(mutex);
  meeting->bytes = {};
  const std::string number = std::to_string(++meetings);
  std::memcpy(meeting->bytes.data(), number.data(), number.size());
  return result;
}
int ncclCommInitRank(void** communicator, int size, Meeting meeting, int rank) {
  if (const int result = answer("ncclCommInitRank"); result != kDone) return result;
  std::unique_lock lock(mutex);
  auto& circle = circles[std::string(meeting.bytes.data(), meeting.bytes.size())];
  if (!circle) circle = std::make_shared<Circle>();
  circle->size = size;
  auto here = circle;
  ++here->there;
  changed.notify_all();
  if (!changed.wait_for(lock, kPatience, [&] { return here->there >= size; })) return kRemote;
  *communicator = new Member{here, rank};
  return kDone;
}
int ncclCommAbort(void* communicator) {
  delete static_cast<Member*>(communicator);
  return kDone;
}
int ncclCommGetAsyncError(void*, int* fault) {
  *fault = answer("of a card");
  return kDone;
}
int ncclGroupStart() { return in_group = true, group.clear(), answer("ncclGroupStart"); }
int ncclGroupEnd() {
  in_group = false;
  if (const int result = answer("ncclGroupEnd"); result != kDone) return result;
  return carry_out(std::exchange(group, {}));
}
int ncclSend(const void* bytes, std::size_t count, int type, int other, void* communicator, void*) {
  if (type != kBytes) return kInvalid;
  return ask({static_cast<Member*>(communicator), true, reach(bytes), count, other});
}
int ncclRecv(void* bytes, std::size_t count, int type, int other, void* communicator, void*) {
  if (type != kBytes) return kInvalid;
  return ask({static_cast<Member*>(communicator), false, reach(bytes), count, other});
}
int ncclAllGather(const void* mine, void* all, std::size_t count, int type, void* communicator,
                  void*) {
  if (type != kBytes) return kInvalid;
  auto* member = static_cast<Member*>(communicator);
  std::vector<Asked> asked;
  for (int other = 0; other < member->circle->size; ++other) {
    char* place = reach(all) + static_cast<std::size_t>(other) * count;
    if (other == member->rank) {
      copy(place, reach(mine), count);
      continue;
    }
    asked.push_back({member, true, reach(mine), count, other});
    asked.push_back({member, false, place, count, other});
  }
  return carry_out(asked);
}
const char* ncclGetErrorString(int code) { return code == 2 ? "unhandled system error" : "fault"; }
const char* ncclGetLastError(void*) { return ""; }
}
