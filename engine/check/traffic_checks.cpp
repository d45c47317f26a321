// SPDX-License-Identifier: GPL-3.0-or-later
// What a micro-batch asks of the device besides kernels. It goes up in one copy, its loss is waited
// for, and a layer more asks for no copy and no wait: each is time in which the card stands still.
// But one with a mixture of experts, whose products are as large as tokens were sent to each: where
// those go is read, and how they lie then goes up.
#include <algorithm>

#include <torch/csrc/autograd/profiler_kineto.h>

#include "engine/check/checks.h"
#include "engine/check/tiny_models.h"
#include "engine/check/tuning.h"
#include "engine/nn/experts.h"

namespace luthier {

namespace {

constexpr std::int64_t kMoreLayers = 2, kMostUp = 1, kMostWaits = 1;
/// Of a layer with experts: a copy each way, and a wait for each where the device counts those.
constexpr std::int64_t kMostOfExperts = 4;

struct Measured {
  Traffic traffic;
  std::int64_t experts = 0;  ///< layers with a mixture of them
};

bool begins_with_any(const std::string& text, std::initializer_list<const char*> beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](const char* each) { return text.starts_with(each); });
}

/// Of a run's second micro-batch: what is made once a run is there. Its pictures go through a fixed
/// tower.
Result<Measured> traffic_on(const CheckedCard& card, const TinyModel& model) {
  std::vector<std::string> settings{"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0.1",
                                    "training.gradient_checkpointing=false"};
  if (!model.picture.shape.empty())
    settings.emplace_back("adapter.exclude_modules=(swin\\.|.*(vis(ion|ual)|img_processor)).*");
  LUTHIER_TRY(const Recipe recipe, recipe_without_files(settings));
  const auto tensors = torch::TensorOptions().device(card.device).dtype(torch::kFloat32);
  LUTHIER_TRY(LoadedModel base, drawn(model, tensors, torch::kFloat32, card.processor));
  Measured measured;
  for (const auto& module : base.model->modules())
    measured.experts += dynamic_cast<const ExpertsImpl*>(module.get()) != nullptr;
  LUTHIER_TRY(const auto tuning, Tuning::begin(std::move(base), recipe));
  const MicroBatch rows = tiny_rows(model);
  tuning->micro_batch(rows, 3);
  tuning->step(1e-3);
  measured.traffic = card.traffic([&] { tuning->micro_batch(rows, 4); });
  return measured;
}

Result<Found> check_traffic(const CheckedCard& card, const Family& family) {
  if (!card.traffic) return Found::skip("only a CUDA device tells");
  LUTHIER_TRY(const TinyModel model, tiny_model(family));
  LUTHIER_TRY(const Measured shallow, traffic_on(card, model));
  LUTHIER_TRY(const Measured deep, traffic_on(card, deeper(model, kMoreLayers)));
  const Traffic &own = shallow.traffic, &more = deep.traffic;
  if (own.kernels == 0)
    return Found::skip("LibTorch's profiler saw no kernel; it may need a right");
  const std::int64_t layers = more.up + more.down + more.waits - own.up - own.down - own.waits;
  Found found;
  found.good = own.up <= kMostUp + shallow.experts && own.down <= own.waits + shallow.experts &&
               own.waits <= kMostWaits + 2 * shallow.experts &&
               layers <= kMostOfExperts * (deep.experts - shallow.experts) &&
               more.kernels > own.kernels;
  found.detail = std::to_string(own.up) + " copies up, " + std::to_string(own.down) + " down, " +
                 std::to_string(own.waits) + " waits, " + std::to_string(own.kernels) +
                 " kernels; of " + std::to_string(kMoreLayers) + " layers more " +
                 std::to_string(layers) + " copies and waits, " +
                 std::to_string(more.kernels - own.kernels) + " kernels";
  found.figures = {
      {"up", own.up},       {"down", own.down},
      {"waits", own.waits}, {"kernels", own.kernels},
      {"layers", layers},   {"layer_kernels", (more.kernels - own.kernels) / kMoreLayers}};
  return found;
}

}  // namespace

Traffic traffic_of(const std::vector<ProfiledEvent>& events) {
  Traffic traffic;
  for (const ProfiledEvent& event : events) {
    if (!event.on_device) {
      traffic.waits += begins_with_any(event.name, {"cudaStreamSynchronize", "cudaEventSynchronize",
                                                    "cuStreamSynchronize", "cuEventSynchronize"});
    } else if (event.name.starts_with("Memcpy HtoD")) {
      traffic.up += 1;
    } else if (event.name.starts_with("Memcpy DtoH")) {
      traffic.down += 1;
    } else if (!begins_with_any(event.name, {"Memcpy", "Memset"})) {
      traffic.kernels += 1;
    }
  }
  return traffic;
}

Traffic profiled(const std::function<void()>& work) {
  namespace profiler = torch::autograd::profiler;
  namespace impl = torch::profiler::impl;
  const impl::ProfilerConfig config(impl::ProfilerState::KINETO);
  const std::set<impl::ActivityType> activities{impl::ActivityType::CPU, impl::ActivityType::CUDA};
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
  try {
    work();
  } catch (...) {
    profiler::disableProfiler();
    throw;
  }
  const auto result = profiler::disableProfiler();
  std::vector<ProfiledEvent> events;
  for (const profiler::KinetoEvent& event : result->events())
    events.push_back({event.name(), event.deviceType() == c10::DeviceType::CUDA});
  return traffic_of(events);
}

/// Of models that write their text on: their micro-batch has one text and one figure.
std::vector<Check> traffic_checks(const CheckedCard& card) {
  return checks_of_writers(card, check_traffic);
}

}  // namespace luthier
