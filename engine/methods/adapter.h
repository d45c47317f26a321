// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter: a set of plugs that hang on one resident base, the tensors in them by PEFT's keys,
// and modules that are trained whole beside them. It is written once for all methods, which make
// the plugs. Several stay attached; activating one sets pointers and copies nothing. On disk it is
// what PEFT 0.21 writes and reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/io/json.h"
#include "engine/methods/adapter_course.h"
#include "engine/nn/plugs.h"
#include "engine/vision/film_processor.h"

namespace luthier {

struct Method;

class Adapter {
 public:
  using Named = std::pair<std::string, torch::Tensor>;

  struct Hung {
    std::string module;  ///< its name in memory
    std::shared_ptr<Plug> plug;
    std::function<void(bool on)> set;  ///< on: the port points at the plug; off: not at this one
    std::function<void()> merge;       ///< into the base's weights; none: the method does not merge
    bool both_ends = false;            ///< it changes both ends of a tied head alike
    std::string unmergeable = {};      ///< why this very one cannot be merged; empty: it can
  };
  /// An own trained copy that stands in the place of a tensor of the base while active: of a saved
  /// module, or of a method that trains the base's own tensors.
  struct Saved {
    std::string key;      ///< in the file ("base_model.model.lm_head.weight")
    torch::Tensor* slot;  ///< what the module reads
    torch::Tensor base, own;
    bool scales = false;  ///< set_strength moves it between the base's and its own
    std::vector<torch::Tensor*> also = {};  ///< more places of the same tensor: a tied head's
    std::vector<std::string> also_as = {};  ///< more keys that the file has it under
    torch::Tensor placed = {};              ///< what stands there: `own`, or between the two
  };
  /// What a method has made.
  struct Parts {
    std::vector<Hung> hung;
    std::vector<Named> trained;  ///< by PEFT's key without the adapter's name
    std::vector<Saved> saved;
    /// What the tensor file holds besides, which does not train.
    std::vector<Named> beside;
    std::shared_ptr<AdapterCourse> course;  ///< of training; null: none
    /// What the tensor file holds where that is not what trains (which then goes into
    /// kEncoderFile).
    std::function<std::vector<Named>()> stored;
    /// Why it cannot be trained further, where it cannot.
    std::optional<Error> fixed;
    /// What its adapter_config.json says of the base.
    Json facts = Json::object();
    /// Keys of what changes both ends of a tied head alike, so that it may stay tied.
    std::vector<std::string> both_ends = {};
  };
  static constexpr const char* kTensorFile = "adapter_model.safetensors";
  static constexpr const char* kEncoderFile = "prompt_encoder.safetensors";
  static constexpr const char* kConfigFile = "adapter_config.json";

  Adapter(const Method& method, AdapterSettings settings, std::shared_ptr<torch::nn::Module> keep,
          Parts parts);
  ~Adapter();
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;

  /// All tensors that training changes, by PEFT's key without the adapter's name
  /// ("base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight"), sorted by
  /// key. Those of plugs are float32.
  std::vector<Named> tensors() const;
  /// Puts this adapter on the base's modules / takes it off. Another one is taken off first.
  void activate();
  void deactivate();
  /// 1 = as trained; scales what the plugs do, and how far a method's own copies are from the base.
  void set_strength(double strength);
  /// Training: dropout on, its masks drawn from `seed` and the plug's place, so that a recomputed
  /// layer draws the same. Off: seed is ignored.
  void set_training(bool training, std::uint64_t seed);
  /// What the plugs' masks go by in a micro-batch of this seed: [plugs that draw one] int64, on the
  /// host.
  torch::Tensor mask_seeds(std::uint64_t seed) const;
  /// From here on they are read from `there`, the same on the model's device, whatever it holds
  /// when a kernel runs; undefined: they go by set_training's again.
  void read_mask_seeds(const torch::Tensor& there);
  /// What a recording of the model (device/graph) has kept of the plugs besides their own tensors:
  /// addresses of copies, and what they are scaled by. It holds as long as this is the same.
  std::vector<std::uint64_t> kept_by_recordings() const;
  /// Whether all of its plugs can be recorded.
  bool can_be_recorded() const;
  /// What its method does while it trains; null: nothing.
  AdapterCourse* course() const { return parts_.course.get(); }
  /// Lets go of what its plugs keep for products besides their own tensors; the next product makes
  /// it again. For adapters that rest while others answer.
  void rest() const;
  /// Fine where the method can put what was trained into the base's weights; else an Input error
  /// that says why not.
  Status check_mergeable(const std::filesystem::path& folder) const;
  /// Changes the base's weights in float32 and rounds once to their dtype; replaces saved modules.
  /// Leaves the adapter inactive. Where the head is tied and the adapter is on one of its two ends,
  /// untie_head comes first (merge.h does all of it).
  void merge();
  /// Whether the tensor of this key changes both ends of a tied head alike.
  bool at_both_ends(const std::string& key) const;
  /// For who hangs its plugs in another way (routed_adapters.h) or keeps what it changes
  /// (resident_merge.h).
  const std::vector<Hung>& hung() const { return parts_.hung; }
  const std::vector<Saved>& saved() const { return parts_.saved; }
  const Method& method() const { return method_; }
  const AdapterSettings& settings() const { return settings_; }
  /// Fine where training can go on from here.
  Status check_trainable() const;
  /// Of the pictures that it was trained with, where it was read from a folder that says so.
  MediaLimits pixels;

  /// Writes the config and the tensors into `folder` (which exists). `masters`: tensors to write in
  /// place of the adapter's own, by their keys (saved modules have the base's type, which may be
  /// narrower than what training knows of them). `finished`: as a result; a checkpoint has all that
  /// training goes on from.
  Status save(const std::filesystem::path& folder, const std::string& base_model_name_or_path,
              const std::map<std::string, torch::Tensor>& masters = {}, bool finished = true) const;

 private:
  std::vector<Named> saved_tensors() const;
  /// Of a copy, at this strength.
  torch::Tensor at_strength(const Saved& saved) const;
  void place_saved();

  const Method& method_;
  AdapterSettings settings_;
  std::shared_ptr<torch::nn::Module> keep_;  ///< the model: its modules outlive the adapter
  Parts parts_;
  bool active_ = false;
  double strength_ = 1;
};

/// An adapter is active for as long as this lives, whatever is thrown meanwhile; `rests`: what it
/// holds beside its tensors goes with it.
class AdapterWhile {
 public:
  AdapterWhile(Adapter& adapter, bool rests) : adapter_(adapter), rests_(rests) {
    adapter_.activate();
  }
  ~AdapterWhile() {
    adapter_.deactivate();
    if (rests_) adapter_.rest();
  }
  AdapterWhile(const AdapterWhile&) = delete;
  AdapterWhile& operator=(const AdapterWhile&) = delete;

 private:
  Adapter& adapter_;
  bool rests_;
};

/// `plug` as it hangs on `port`, a module's pointer.
template <class Kind, class Made>
Adapter::Hung hung_on(const Kind*& port, std::string module, std::shared_ptr<Made> plug) {
  const Kind* mine = plug.get();
  const auto set = [&port, mine](bool on) {
    if (on)
      port = mine;
    else if (port == mine)
      port = nullptr;
  };
  return {std::move(module), std::move(plug), set, {}, false};
}

struct LoadedModel;
struct ModelSummary;
struct ModuleSelection;

/// A fresh adapter of the strategy's method with seeded initial values (PEFT's), not yet active.
Result<std::shared_ptr<Adapter>> create_adapter(LoadedModel& base, const std::string& strategy,
                                                const AdapterSettings& settings,
                                                std::uint64_t seed);
/// Reads a PEFT folder (both generations of module names) by the method that it names. Names or
/// shapes that do not fit the base are an Input error naming them.
Result<std::shared_ptr<Adapter>> load_adapter(LoadedModel& base,
                                              const std::filesystem::path& folder);

/// The settings that a run trains with: those of adapter.init_from's folder where the recipe names
/// one, whose method must be the recipe's; else the recipe's own.
Result<AdapterSettings> settings_to_train(const Recipe& recipe);
/// What the recipe's adapter would be on, from names and shapes alone: what its selectors choose,
/// or what is in adapter.init_from's folder. Refuses what create_adapter would, in the same words,
/// before any weight is loaded.
Result<ModuleSelection> planned_selection(const ModelSummary& model, const Recipe& recipe);
/// The same for a recipe by itself, before its run: a model that cannot be described is left for
/// loading to refuse.
Status check_adapter_of(const Recipe& recipe);

}  // namespace luthier
