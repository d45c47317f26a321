// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/adapter.h"

#include <algorithm>
#include <bit>

#include "engine/io/files.h"
#include "engine/methods/adapter_tensors.h"
#include "engine/methods/method.h"
#include "engine/models/tensor_file.h"
#include "engine/nn/narrow_copy.h"
#include "engine/nn/plug_duties.h"

namespace luthier {

using torch::Tensor;

namespace {

std::vector<Adapter::Named> with_masters(std::vector<Adapter::Named> named,
                                         const std::map<std::string, Tensor>& masters) {
  for (auto& [key, tensor] : named) {
    if (const auto master = masters.find(key); master != masters.end()) tensor = master->second;
  }
  return named;
}

std::vector<Adapter::Named> sorted(std::vector<Adapter::Named> named) {
  std::sort(named.begin(), named.end(),
            [](const auto& l, const auto& r) { return l.first < r.first; });
  return named;
}

}  // namespace

Adapter::Adapter(const Method& method, AdapterSettings settings,
                 std::shared_ptr<torch::nn::Module> keep, Parts parts)
    : method_(method),
      settings_(std::move(settings)),
      keep_(std::move(keep)),
      parts_(std::move(parts)) {}

Adapter::~Adapter() { deactivate(); }

std::vector<Adapter::Named> Adapter::saved_tensors() const {
  std::vector<Named> named;
  for (const Saved& each : parts_.saved) named.emplace_back(each.key, each.own);
  return named;
}

std::vector<Adapter::Named> Adapter::tensors() const {
  std::vector<Named> all = saved_tensors();
  all.insert(all.end(), parts_.trained.begin(), parts_.trained.end());
  return sorted(std::move(all));
}

void Adapter::activate() {
  for (const Hung& each : parts_.hung) each.set(true);
  place_saved();
  active_ = true;
}

Tensor Adapter::at_strength(const Saved& saved) const {
  if (!saved.scales || strength_ == 1) return saved.own;
  if (strength_ == 0) return saved.base;
  const Tensor base = saved.base.to(torch::kFloat32);
  return (base + (saved.own.to(torch::kFloat32) - base) * strength_)
      .to(saved.base.scalar_type())
      .detach();
}

void Adapter::place_saved() {
  for (Saved& each : parts_.saved) {
    each.placed = at_strength(each);
    *each.slot = each.placed;
    for (Tensor* slot : each.also) *slot = each.placed;
  }
}

void Adapter::deactivate() {
  if (!active_) return;
  for (const Hung& each : parts_.hung) each.set(false);
  for (Saved& each : parts_.saved) {
    if (each.slot->is_same(each.placed)) *each.slot = each.base;
    for (Tensor* slot : each.also) {
      if (slot->is_same(each.placed)) *slot = each.base;
    }
    each.placed = Tensor();
  }
  active_ = false;
}

void Adapter::set_strength(double strength) {
  for (const Hung& each : parts_.hung) each.plug->strength = strength;
  if (strength == strength_) return;
  strength_ = strength;
  const bool scales = std::any_of(parts_.saved.begin(), parts_.saved.end(),
                                  [](const Saved& each) { return each.scales; });
  if (active_ && scales) place_saved();
}

void Adapter::set_training(bool training, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  std::vector<NarrowCopy::Pair> copies;
  for (const Hung& each : parts_.hung) {
    each.plug->training = training;
    each.plug->seed = seed;
    if (auto* own = dynamic_cast<PreparesItself*>(each.plug.get()); own && training) own->prepare();
    if (const auto* keeps = dynamic_cast<const KeepsCopies*>(each.plug.get()))
      keeps->add_copies(copies);
  }
  NarrowCopy::refresh(copies);
}

Tensor Adapter::mask_seeds(std::uint64_t seed) const {
  std::vector<std::int64_t> seeds;
  for (const Hung& each : parts_.hung) {
    if (const auto own = each.plug->mask_seed(seed))
      seeds.push_back(std::bit_cast<std::int64_t>(*own));
  }
  return torch::tensor(seeds, torch::kInt64);
}

void Adapter::read_mask_seeds(const Tensor& there) {
  std::int64_t place = 0;
  for (const Hung& each : parts_.hung) {
    if (!each.plug->mask_seed(0)) continue;
    each.plug->mask_there = there.defined() ? there.slice(0, place, place + 1) : Tensor();
    ++place;
  }
}

std::vector<std::uint64_t> Adapter::kept_by_recordings() const {
  std::vector<std::uint64_t> kept;
  std::vector<NarrowCopy::Pair> copies;
  for (const Hung& each : parts_.hung) {
    kept.push_back(std::bit_cast<std::uint64_t>(each.plug->strength));
    if (const auto* keeps = dynamic_cast<const KeepsCopies*>(each.plug.get()))
      keeps->add_copies(copies);
  }
  for (const Saved& each : parts_.saved) {
    if (each.scales && each.placed.defined())
      kept.push_back(reinterpret_cast<std::uintptr_t>(each.placed.const_data_ptr()));
  }
  for (const NarrowCopy::Pair& pair : copies)
    kept.push_back(reinterpret_cast<std::uintptr_t>(pair.copy->address()));
  return kept;
}

bool Adapter::can_be_recorded() const {
  return std::none_of(parts_.hung.begin(), parts_.hung.end(), [](const Hung& each) {
    const auto* asks = dynamic_cast<const AsksTheHost*>(each.plug.get());
    return asks && asks->asks_the_host();
  });
}

void Adapter::rest() const {
  std::vector<NarrowCopy::Pair> copies;
  for (const Hung& each : parts_.hung) {
    if (const auto* keeps = dynamic_cast<const KeepsCopies*>(each.plug.get()))
      keeps->add_copies(copies);
  }
  for (const NarrowCopy::Pair& pair : copies) pair.copy->let_go();
}

Status Adapter::check_mergeable(const std::filesystem::path& folder) const {
  const char* instead =
      "Answer with the adapter beside its base (--adapter), which needs no merge.";
  for (const Hung& each : parts_.hung) {
    if (!each.unmergeable.empty())
      return input_error(each.unmergeable, (folder / kTensorFile).string(), instead);
  }
  if (!method_.unmergeable) return {};
  return input_error(method_.unmergeable, (folder / kConfigFile).string() + ": peft_type", instead);
}

void Adapter::merge() {
  const torch::NoGradGuard no_grad;
  deactivate();
  // Into what the module reads now: a tied head may have been given a weight of its own since this
  // was loaded.
  for (Saved& each : parts_.saved) {
    each.slot->copy_(at_strength(each));
    for (Tensor* slot : each.also) {
      if (!slot->is_same(*each.slot)) slot->copy_(*each.slot);
    }
  }
  for (const Hung& each : parts_.hung) each.merge();
}

bool Adapter::at_both_ends(const std::string& key) const {
  const auto& keys = parts_.both_ends;
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

Status Adapter::check_trainable() const { return parts_.fixed ? Status(*parts_.fixed) : Status(); }

Status Adapter::save(const std::filesystem::path& folder,
                     const std::string& base_model_name_or_path,
                     const std::map<std::string, Tensor>& masters, bool finished) const {
  const auto under_both_names = [&](std::vector<Named> named) {
    for (const Saved& each : parts_.saved) {
      for (const std::string& key : each.also_as) {
        const auto own = std::find_if(named.begin(), named.end(),
                                      [&](const Named& one) { return one.first == each.key; });
        named.emplace_back(key, own->second);
      }
    }
    Tensor before;  // a key that no tensor has is another name of the one before it
    for (const std::string& key : parts_.both_ends) {
      const auto own = std::find_if(named.begin(), named.end(),
                                    [&](const Named& one) { return one.first == key; });
      if (own != named.end())
        before = own->second;
      else
        named.emplace_back(key, before);
    }
    return sorted(std::move(named));
  };
  if (parts_.stored) {
    std::vector<Named> stored = with_masters(saved_tensors(), masters);
    for (Named& each : parts_.stored()) stored.push_back(std::move(each));
    LUTHIER_CHECK(write_tensor_file(folder / kTensorFile, sorted(std::move(stored))));
    if (!parts_.trained.empty())
      LUTHIER_CHECK(write_tensor_file(folder / kEncoderFile, sorted(parts_.trained)));
  } else {
    std::vector<Named> all = with_masters(tensors(), masters);
    if (parts_.course && finished) all = parts_.course->finished(std::move(all));
    all.insert(all.end(), parts_.beside.begin(), parts_.beside.end());
    LUTHIER_CHECK(write_tensor_file(folder / kTensorFile, under_both_names(std::move(all))));
  }
  Json config = method_.write(settings_);
  config.update(parts_.facts);
  if (parts_.course) config.update(parts_.course->facts(finished));
  config["peft_type"] = method_.kind.peft_type;
  config["base_model_name_or_path"] = base_model_name_or_path;
  return write_file_atomically(folder / kConfigFile, config.dump(2) + "\n");
}

}  // namespace luthier
