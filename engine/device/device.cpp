// SPDX-License-Identifier: GPL-3.0-or-later
// The choice itself is card_choice.h's; here it meets this machine and is told: each sentence once,
// to the log, and kept for the run's events and the window (device_facts.h).
#include "engine/device/device.h"

#include <torch/cuda.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include <ATen/detail/CUDAHooksInterface.h>

#include "engine/base/log.h"
#include "engine/device/card_reader.h"
#include "engine/device/cuda_libraries.h"
#include "engine/device/device_facts.h"
#include "engine/device/failure.h"
#include "engine/device/lost_device.h"
#include "engine/device/memory.h"
#include "engine/device/processor.h"

namespace luthier {
namespace {

/// What was chosen and said so far; `auto` keeps to its card while this process holds memory there.
struct Chosen {
  std::mutex mutex;
  int card = -1;
  std::map<std::string, CardChoice> by_name;
  std::set<std::string> said;
};

Chosen& chosen() {
  static Chosen ours;
  return ours;
}

void say_once(const std::string& sentence, bool warns) {
  if (sentence.empty()) return;
  {
    const std::lock_guard lock(chosen().mutex);
    if (!chosen().said.insert(sentence).second) return;
  }
  warns ? log_warning(sentence) : log_info(sentence);
}

DeviceFacts::TorchHalf torch_half(std::string& problem) {
  if (at::detail::getCUDAHooks().hasCUDART()) return DeviceFacts::TorchHalf::Answers;
  problem = cuda_libraries_problem();
  return problem.empty() ? DeviceFacts::TorchHalf::Absent : DeviceFacts::TorchHalf::Broken;
}

std::optional<int> index_in_cuda(torch::Device device) {
  if (!device.is_cuda()) return std::nullopt;
  return device.has_index() ? device.index() : 0;
}

}  // namespace

DeviceFacts device_facts() {
  static std::mutex reading;
  static bool driver_answers = true;
  load_cuda_libraries();  // before the first question about CUDA
  DeviceFacts facts;
  facts.node = has_nvidia_node();
  {
    // Where there was no driver there will be none: the loader is not asked again and again.
    const std::lock_guard lock(reading);
    if (driver_answers) read_driver(facts);
    driver_answers = facts.driver_found;
  }
  facts.torch_half = torch_half(facts.torch_problem);
  if (facts.torch_half == DeviceFacts::TorchHalf::Answers && !facts.cards.empty()) {
    facts.torch_cuda = static_cast<int>(at::detail::getCUDAHooks().versionCUDART());
    if (facts.driver_cuda / 1000 >= facts.torch_cuda / 1000)  // else it could only complain
      facts.torch_cards = static_cast<int>(torch::cuda::device_count());
  }
  facts.lost = lost_device();
  bool any = false;
  {
    const std::lock_guard lock(chosen().mutex);
    any = chosen().card >= 0;
  }
  if (!any || !facts.lost.empty()) return facts;
  // Of every card: a person may look at one while a model stands on another. A card that was only
  // chosen has no context yet, which comes with the first tensor.
  for (int i = 0; i < std::min(facts.torch_cards, static_cast<int>(facts.cards.size())); ++i) {
    CardFacts& card = facts.cards[static_cast<std::size_t>(i)];
    const auto index = static_cast<c10::DeviceIndex>(i);
    card.context = at::detail::getCUDAHooks().hasPrimaryContext(index);
    if (card.context) card.held = memory_use(torch::Device(torch::kCUDA, index)).reserved;
  }
  return facts;
}

std::optional<CardFacts> card_of(torch::Device device) {
  const auto index = index_in_cuda(device);
  if (!index) return std::nullopt;
  const DeviceFacts facts = device_facts();
  if (*index >= static_cast<int>(facts.cards.size())) return std::nullopt;
  return facts.cards[static_cast<std::size_t>(*index)];
}

Result<torch::Device> choose_device(const std::string& name) {
  if (name == "cpu") return torch::Device(torch::kCPU);
  const DeviceFacts facts = device_facts();
  LUTHIER_TRY(const CardChoice choice, choose_card(name, facts));
  const bool kept = choice.card >= 0 && facts.cards[static_cast<std::size_t>(choice.card)].held > 0;
  if (!kept) say_once(choice.note, choice.warns);
  {
    const std::lock_guard lock(chosen().mutex);
    if (!kept || !chosen().by_name.contains(name)) chosen().by_name[name] = choice;
    if (choice.card >= 0) chosen().card = choice.card;
  }
  if (choice.card < 0) return torch::Device(torch::kCPU);
  return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(choice.card));
}

std::string card_at_work() {
  const std::lock_guard lock(chosen().mutex);
  return chosen().card < 0 ? "" : "cuda:" + std::to_string(chosen().card);
}

Result<torch::ScalarType> choose_dtype(const std::string& name, torch::Device device) {
  const std::optional<CardFacts> card = card_of(device);
  // A card that the driver tells nothing of is taken for one of today's.
  CardFacts modern;
  modern.capability = kBfloat16Capability;
  const CardFacts* of = card ? &*card : device.is_cuda() ? &modern : nullptr;
  LUTHIER_TRY(const std::string type, choose_type(name, of));
  say_once(type_note(name, of, narrow_products()), true);
  return type == "bfloat16" ? torch::kBFloat16 : torch::kFloat32;
}

DeviceNote device_note(const std::string& name, const std::string& dtype) {
  DeviceNote note;
  int card = -1;
  if (name != "cpu") {
    const std::lock_guard lock(chosen().mutex);
    const auto found = chosen().by_name.find(name);
    if (found == chosen().by_name.end()) return note;
    card = found->second.card;
    note = {found->second.note, found->second.warns};
  }
  const auto add = [&note](const std::string& sentence, bool warns) {
    if (sentence.empty()) return;
    note.text += (note.text.empty() ? "" : " ") + sentence;
    note.warns = note.warns || warns;
  };
  std::optional<CardFacts> facts;
  if (card >= 0) facts = card_of(torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(card)));
  if (card < 0 || facts) add(type_note(dtype, facts ? &*facts : nullptr, narrow_products()), true);
  if (card < 0) add(type_proposal(dtype, narrow_products()), false);
  return note;
}

torch::ScalarType scalar_type(DType dtype) {
  switch (dtype) {
    case DType::BOOL: return torch::kBool;
    case DType::U8: return torch::kUInt8;
    case DType::I8: return torch::kInt8;
    case DType::I16: return torch::kInt16;
    case DType::U16: return torch::kUInt16;
    case DType::F16: return torch::kFloat16;
    case DType::BF16: return torch::kBFloat16;
    case DType::I32: return torch::kInt32;
    case DType::U32: return torch::kUInt32;
    case DType::F32: return torch::kFloat32;
    case DType::F64: return torch::kFloat64;
    case DType::I64: return torch::kInt64;
    case DType::U64: return torch::kUInt64;
    case DType::F8_E4M3: return torch::kFloat8_e4m3fn;
    case DType::F8_E5M2: return torch::kFloat8_e5m2;
  }
  return torch::kFloat32;
}

DType file_dtype(torch::ScalarType type) {
  switch (type) {
    case torch::kBool: return DType::BOOL;
    case torch::kUInt8: return DType::U8;
    case torch::kInt8: return DType::I8;
    case torch::kInt16: return DType::I16;
    case torch::kUInt16: return DType::U16;
    case torch::kFloat16: return DType::F16;
    case torch::kBFloat16: return DType::BF16;
    case torch::kInt32: return DType::I32;
    case torch::kUInt32: return DType::U32;
    case torch::kFloat64: return DType::F64;
    case torch::kInt64: return DType::I64;
    case torch::kUInt64: return DType::U64;
    case torch::kFloat8_e4m3fn: return DType::F8_E4M3;
    case torch::kFloat8_e5m2: return DType::F8_E5M2;
    default: return DType::F32;
  }
}

}  // namespace luthier
