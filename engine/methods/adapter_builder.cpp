// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/adapter_builder.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "engine/methods/conv1d_check.h"
#include "engine/methods/token_rows.h"
#include "engine/models/score_head.h"
#include "engine/models/sharded_layers.h"
#include "engine/nn/conv1d_linear.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr std::string_view kBiasEnd = ".bias";

/// The model, and with it the head of scores that it has now: an adapter's places outlive a head
/// that is taken away.
std::shared_ptr<torch::nn::Module> kept_with_head(const std::shared_ptr<Model>& model) {
  const Linear head = score_head(*model);
  if (!head) return model;
  const auto both = std::make_shared<std::pair<std::shared_ptr<Model>, Linear>>(model, head);
  return {both, model.get()};
}

/// What PEFT writes of an adapter whose model has such a head: what it is a model of, and that the
/// head trains whole, by either name that transformers gives it.
void tell_score_head(const Linear& head, std::vector<std::string> saved, Json& facts) {
  if (!head) return;
  std::erase(saved, kClassHead);
  saved.insert(saved.end(), {kClassHead, kScoreHead});
  facts["modules_to_save"] = saved;
  facts["task_type"] = head->out_features() == 1 ? "SEQ_CLS" : "TOKEN_CLS";
}

/// Whose words beside its own stand in a tensor beside it (Idefics): what hangs on the one alone
/// gives the others no logits.
Status check_words_beside(const Ports& ports, const std::string& module) {
  const std::string beside = module + ".additional_fc";
  if (!ports.linears.contains(beside)) return {};
  return input_error(module + " has words beside its own, which an adapter on it would leave out.",
                     "adapter.target_modules",
                     "Name " + beside + ", or put " + module + " into adapter.modules_to_save.");
}

}  // namespace

bool is_conv1d(const Ports& ports, const std::string& module) {
  const auto found = ports.linears.find(module);
  return found != ports.linears.end() && found->second->as<Conv1DLinear>();
}

Status check_saved_conv1d(const Ports& ports, const std::string& module, const std::string& where) {
  if (!is_conv1d(ports, module)) return {};
  return conv1d_not_saved(module, where);
}

bool is_trained_bias(const std::string& name, const AdapterSettings& settings) {
  return settings.bias != "none" && name.ends_with(kBiasEnd) &&
         !is_saved_module(name.substr(0, name.size() - kBiasEnd.size()), settings.modules_to_save);
}

std::optional<Tie> tie_to_keep(const Ports& ports, const AdapterSettings& settings) {
  if (!settings.more.flag("adapter.ensure_weight_tying")) return std::nullopt;
  Tie tie{"", ports.head_name + ".weight"};
  const auto head = ports.slots.find(tie.head);
  if (head == ports.slots.end()) return std::nullopt;
  for (const auto& [name, slot] : ports.slots) {
    if (name != tie.head && slot.second->is_same(*head->second.second)) tie.embedding = name;
  }
  return tie.embedding.empty() ? std::nullopt : std::optional(tie);
}

std::vector<std::int64_t> row_ids(const ModuleMethod& method, const AdapterSettings& settings) {
  return method.token_rows ? token_ids(settings, method.token_rows) : std::vector<std::int64_t>();
}

AdapterBuilder::AdapterBuilder(const Method& method, LoadedModel& base,
                               const AdapterSettings& settings)
    : method_(method), base_(base), settings_(settings), ports_(list_ports(*base.model)) {}

void AdapterBuilder::save_module(const std::string& tensor, Tensor* slot, Tensor own) {
  parts_.saved.push_back({std::string(kPeftPrefix) + tensor, slot, *slot, std::move(own)});
}

void AdapterBuilder::save_bias(const std::string& tensor, Tensor* slot, Tensor own, bool wrapped) {
  save_module(tensor, slot, std::move(own));
  const std::string module = tensor.substr(0, tensor.size() - kBiasEnd.size());
  if (wrapped)
    parts_.saved.back().key =
        std::string(kPeftPrefix) + module + ".base_layer" + std::string(kBiasEnd);
}

void AdapterBuilder::save_tied(const Tie& tie, Tensor own) {
  Tensor* slot = ports_.slots.at(tie.embedding).second;
  save_module(tie.embedding, slot, std::move(own));
  parts_.saved.back().also = {ports_.slots.at(tie.head).second};
  parts_.saved.back().also_as = {std::string(kPeftPrefix) + tie.head};
  parts_.both_ends.push_back(parts_.saved.back().key);
}

Status AdapterBuilder::check_saved(const std::vector<std::string>& modules,
                                   const std::optional<Tie>& tie, const std::string& where) const {
  const std::set<std::string> whole(modules.begin(), modules.end());
  for (const auto& [name, slot] : ports_.slots) {
    if (!whole.contains(slot.first) || (tie && tie->has(name))) continue;
    const bool there =
        is_trained_bias(name, settings_) ||
        std::any_of(parts_.saved.begin(), parts_.saved.end(),
                    [tensor = slot.second](const auto& one) { return one.slot == tensor; });
    if (!there)
      return input_error("The tensor " + name + " is missing.", where, "The file is incomplete.");
  }
  return {};
}

Result<ModuleToHang> AdapterBuilder::next(const ModelModule& module, const ModuleScale& scale,
                                          bool fresh) const {
  const ModuleToHang to{module, scale, settings_, places_, fresh, shared_};
  if (const auto sharded = sharded_of(*base_.model)) sharded->bring(module.name);
  if (is_conv1d(ports_, module.name))
    LUTHIER_CHECK(check_on_conv1d(to.module.name, method_.name(), to.settings));
  LUTHIER_CHECK(check_words_beside(ports_, module.name));
  if (method_.of_modules->check_base) LUTHIER_CHECK(method_.of_modules->check_base(ports_, to));
  return to;
}

void AdapterBuilder::share(std::vector<Tensor> tensors) {
  const SharedTensors& kind = *method_.of_modules->shared;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    shared_.push_back(tensors[i].to(base_.model->device()));
    if (kind.in_file(settings_)) parts_.beside.emplace_back(kind.keys[i], shared_.back());
  }
}

void AdapterBuilder::hang(const ModuleToHang& to, const std::vector<TensorSize>& sizes,
                          std::vector<Tensor> tensors) {
  const torch::Device device = base_.model->device();
  const ModuleMethod& mine = *method_.of_modules;
  if (mine.copies) return place(to, sizes, tensors);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    tensors[i] = tensors[i].to(device);
    auto& list = sizes[i].trains ? parts_.trained : parts_.beside;
    list.emplace_back(mine.prefix + mine.root_of(to.module, settings_) + sizes[i].suffix,
                      tensors[i]);
  }
  parts_.hung.push_back(method_.of_modules->hang(ports_, to, tensors));
  if (parts_.hung.back().both_ends) {
    for (const TensorSize& size : sizes) {
      parts_.both_ends.push_back(mine.prefix + mine.root_of(to.module, settings_) + size.suffix);
      parts_.both_ends.push_back(mine.prefix + ports_.head_name + size.suffix);
    }
  }
  if (to.module.linear() || to.module.convolution()) ++places_;
}

Status AdapterBuilder::take_twin(AdapterTensors& tensors, const std::string& where) const {
  const auto twin = tensors.modules.find(ports_.head_name);
  const bool both = std::any_of(parts_.hung.begin(), parts_.hung.end(),
                                [](const Adapter::Hung& each) { return each.both_ends; });
  if (!both || twin == tensors.modules.end()) return {};
  for (const auto& [suffix, view] : twin->second.views) {
    const std::string place = where + ": " + twin->second.stored + suffix;
    LUTHIER_TRY(const Tensor read, read_adapter_tensor(view, place));
    const bool same =
        std::any_of(parts_.trained.begin(), parts_.trained.end(), [&](const Adapter::Named& one) {
          return one.first.ends_with(suffix) && at::equal(one.second.cpu(), read);
        });
    if (!same)
      return input_error("The tied head has other rows than the embedding.", place,
                         "The base's head is tied to its embedding, that of the adapter's was "
                         "not.");
  }
  tensors.modules.erase(twin);
  return {};
}

Tensor* AdapterBuilder::slot_of(const ModelModule& module, const TensorSize& size) const {
  return ports_.slots.at(module.name + size.suffix.substr(size.suffix.rfind('.'))).second;
}

Status AdapterBuilder::hang_rows(const std::string& embedding, const std::vector<std::int64_t>& ids,
                                 Tensor rows) {
  rows = rows.to(base_.model->device());
  Adapter::Hung hung = hang_token_rows(ports_, embedding, ids, rows);
  const bool head_taken =
      std::any_of(parts_.hung.begin(), parts_.hung.end(),
                  [&](const Adapter::Hung& each) { return each.module == ports_.head_name; });
  if (hung.both_ends && head_taken) {
    return input_error("Rows of " + embedding +
                           " train, which the head shares, and the head has "
                           "an adapter of its own.",
                       method_.of_modules->token_rows,
                       "Take the head out of target_modules, or the rows out.");
  }
  parts_.hung.push_back(std::move(hung));
  parts_.trained.emplace_back(std::string(kPeftPrefix) + embedding + kTokenRows, rows);
  if (parts_.hung.back().both_ends) parts_.both_ends.push_back(parts_.trained.back().first);
  return {};
}

Status AdapterBuilder::hang_beside() {
  const auto hang = method_.of_modules->hang_beside;
  return hang ? hang(ports_, settings_, parts_) : Status();
}

Status AdapterBuilder::save_score_head(AdapterTensors& tensors, const std::string& where) {
  for (const AdapterTensors::Whole& whole : tensors.whole) {
    if (!is_of_score_head(whole.name) || ports_.slots.contains(whole.name)) continue;
    return input_error("The adapter is a reward model's: it has a head of scores.",
                       where + ": " + whole.key,
                       "`luthier-cli score` says its figures; it answers nothing.");
  }
  for (const auto& [name, slot] : ports_.slots) {
    if (slot.first != kScoreHead) continue;
    Tensor own = slot.second->detach().clone();
    const auto found = std::find_if(tensors.whole.begin(), tensors.whole.end(),
                                    [key = name](const auto& whole) { return whole.name == key; });
    if (found != tensors.whole.end()) {
      LUTHIER_TRY(const Tensor read,
                  read_adapter_tensor(found->view, own.sizes().vec(), where + ": " + found->key));
      own.copy_(read);
      tensors.whole.erase(found);
    }
    save_module(name, slot.second, std::move(own));
  }
  return {};
}

std::shared_ptr<Adapter> AdapterBuilder::finish(const ModuleSelection& selection) {
  if (const auto course = method_.of_modules->course)
    parts_.course = course(parts_.trained, settings_);
  AdapterSettings written =
      settings_to_write(settings_, ports_.modules, selection, method_.of_modules->rank_keys);
  tell_score_head(score_head(*base_.model), written.modules_to_save, parts_.facts);
  // PEFT says it by each product that it wraps, and the last one's stays.
  for (const Adapter::Hung& each : parts_.hung) {
    const bool turned = is_conv1d(ports_, each.module);
    const bool was = parts_.facts.contains("fan_in_fan_out");
    if (turned || (was && ports_.linears.contains(each.module)))
      parts_.facts["fan_in_fan_out"] = turned;
  }
  return std::make_shared<Adapter>(method_, std::move(written), kept_with_head(base_.model),
                                   std::move(parts_));
}

void AdapterBuilder::place(const ModuleToHang& to, const std::vector<TensorSize>& sizes,
                           const std::vector<Tensor>& tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Tensor* slot = slot_of(to.module, sizes[i]);
    const Tensor own = tensors[i].to(slot->device(), slot->scalar_type(), false, /*copy=*/true);
    const std::string root = method_.of_modules->prefix + to.module.name;
    parts_.saved.push_back({root + sizes[i].suffix, slot, *slot, own, /*scales=*/true});
  }
}

}  // namespace luthier
