// SPDX-License-Identifier: GPL-3.0-or-later
// The seconds are a roofline's, not a measurement: each launch takes as long as its bytes at 2.8
// TB/s or its products at what an H100 reaches of them in practice (620 Tflop/s in bfloat16, 350 in
// attention, 50 in float32 without TF32), and never less than 2.2 µs.
#include "tests/pretend/ledger.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "tests/pretend/graph.h"
#include "tests/pretend/pretend.h"

namespace luthier::pretend {

namespace {

constexpr double kBytesPerSecond = 2.8e12, kProduct = 620e12, kWideProduct = 50e12,
                 kAttention = 350e12, kShortest = 2.2e-6;
constexpr std::int64_t kLarge =
    1 << 14;  ///< below what a LoRA of rank 8 makes of a few thousand tokens

struct Ledger {
  std::mutex mutex;
  Counts total;
  std::map<std::string, std::int64_t> kernels, places;
  std::map<std::string, std::pair<double, double>> costs;
};
Ledger& ledger() {
  static Ledger* made = new Ledger;
  return *made;
}
std::atomic<int> dry_scopes{0};

double flops_per_second(Work::Kind kind) {
  return kind == Work::Kind::Attention ? kAttention
         : kind == Work::Kind::Product ? kProduct
                                       : kWideProduct;
}

void note_place(Ledger& all, const std::string& what, const std::string& place) {
  ++all.places[what + " < " + place];
}

/// "luthier::attend" of a frame's symbol, or empty where it is not the engine's.
std::string engine_name(const char* symbol) {
  int failed = 0;
  const std::unique_ptr<char, decltype(&std::free)> plain(
      abi::__cxa_demangle(symbol, nullptr, nullptr, &failed), &std::free);
  std::string name = plain ? plain.get() : symbol;
  for (const std::string unnamed = "(anonymous namespace)::";;) {
    const auto at = name.find(unnamed);
    if (at == std::string::npos) break;
    name.erase(at, unnamed.size());
  }
  name = name.substr(0, name.find('('));
  const bool ours = name.starts_with("luthier::") && !name.starts_with("luthier::pretend");
  return ours ? name : std::string();
}

/// The same of the function that holds an address. Known ones are kept: the loader looks through
/// all symbols of a library for each, and LibTorch has hundreds of thousands.
const std::string& engine_function(void* at) {
  static std::mutex mutex;
  static auto* known = new std::unordered_map<void*, std::string>;
  const std::lock_guard lock(mutex);
  const auto [place, is_new] = known->try_emplace(at);
  Dl_info info;
  if (is_new && dladdr(at, &info) != 0 && info.dli_sname)
    place->second = engine_name(info.dli_sname);
  return place->second;
}

}  // namespace

std::string engine_places(void* const* frames, int count, int most) {
  std::string places;
  for (int i = 1; i < count && most > 0; ++i) {
    const std::string& name = engine_function(frames[i]);
    if (name.empty()) continue;
    places += (places.empty() ? "" : " < ") + name;
    --most;
  }
  return places.empty() ? "the test" : places;
}

std::string engine_place() {
  void* frames[64];
  const int count = backtrace(frames, 64);
  return engine_places(frames, count, 1);
}

void record(const Work& work) {
  const double each = static_cast<double>(std::max<std::int64_t>(1, work.launches)) * kShortest;
  const double busy =
      std::max(work.bytes / kBytesPerSecond, work.flops / flops_per_second(work.kind));
  const double seconds = std::max(each, busy);
  Ledger& all = ledger();
  const std::lock_guard lock(all.mutex);
  // Of a replay the graph is the launch, and what is written down is none.
  const std::int64_t launches = is_replaying() || is_recording() ? 0 : work.launches;
  all.total.kernels += launches;
  all.total.bytes += work.bytes;
  all.total.flops += work.flops;
  all.total.seconds += seconds;
  all.kernels[work.name] += launches;
  auto& cost = all.costs[work.name + (work.kind == Work::Kind::WideProduct ? " (float32)" : "")];
  cost.first += seconds;
  cost.second += work.bytes;
}

void record_copy(bool up, std::int64_t bytes) {
  refuse_while_recording(up ? "a copy from memory that is not pinned" : "a copy to the host");
  const std::string place = engine_place();
  Ledger& all = ledger();
  const std::lock_guard lock(all.mutex);
  ++(up ? all.total.up : all.total.down);
  (up ? all.total.up_bytes : all.total.down_bytes) += bytes;
  note_place(all, up ? "up" : "down", place);
}

void record_wait(const std::string& what) {
  refuse_while_recording("a wait (" + what + ")");
  const std::string place = engine_place();
  Ledger& all = ledger();
  const std::lock_guard lock(all.mutex);
  ++all.total.waits;
  note_place(all, "wait, " + what, place);
}

void record_host_scalar() {
  Ledger& all = ledger();
  const std::lock_guard lock(all.mutex);
  ++all.total.host_scalars;
}

double reach(const torch::Tensor& tensor) {
  if (!tensor.defined()) return 0;
  auto numbers = static_cast<double>(tensor.itemsize());
  for (std::int64_t axis = 0; axis < tensor.dim(); ++axis) {
    if (tensor.stride(axis) != 0) numbers *= static_cast<double>(tensor.size(axis));
  }
  return numbers;
}

double reach(at::TensorList tensors) {
  double bytes = 0;
  for (const torch::Tensor& tensor : tensors) bytes += reach(tensor);
  return bytes;
}

bool is_dry() { return dry_scopes.load() > 0; }
bool is_large(const torch::Tensor& tensor) {
  if (!tensor.defined() || tensor.numel() <= kLarge) return false;
  return at::isFloatingType(tensor.scalar_type()) || tensor.scalar_type() == at::kBool;
}

Dry::Dry() { ++dry_scopes; }
Dry::~Dry() { --dry_scopes; }

Counts counts() {
  const std::lock_guard lock(ledger().mutex);
  return ledger().total;
}
std::map<std::string, std::int64_t> kernels_by_name() {
  const std::lock_guard lock(ledger().mutex);
  return ledger().kernels;
}
std::map<std::string, std::pair<double, double>> costs_by_name() {
  const std::lock_guard lock(ledger().mutex);
  return ledger().costs;
}
std::map<std::string, std::int64_t> places() {
  const std::lock_guard lock(ledger().mutex);
  return ledger().places;
}
void reset_counts() {
  Ledger& all = ledger();
  const std::lock_guard lock(all.mutex);
  all.total = {};
  all.kernels.clear(), all.costs.clear(), all.places.clear();
}

}  // namespace luthier::pretend
