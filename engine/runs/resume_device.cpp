// SPDX-License-Identifier: GPL-3.0-or-later
// Runs of before that recorded neither go on as they always did.
#include "engine/runs/resume_device.h"

namespace luthier {
namespace {

std::string device_type(const std::string& device) { return device.substr(0, device.find(':')); }

std::string device_with_card(const RunManifest& manifest) {
  return manifest.card.empty() ? manifest.device : manifest.device + " (" + manifest.card + ")";
}

}  // namespace

Result<std::string> resumed_dtype(const std::string& asked, const RunManifest& recorded,
                                  const std::string& where) {
  if (recorded.dtype.empty() || asked == recorded.dtype) return asked;
  if (asked == "auto") return recorded.dtype;
  return input_error(
      "The run computes in " + recorded.dtype + ", and training.dtype is now " + asked + ".", where,
      "Resume with training.dtype: auto, or start a new run in another output_dir.");
}

std::vector<std::string> resume_changes(const RunManifest& recorded, const RunManifest& now) {
  if (recorded.device.empty() || now.device.empty()) return {};
  const bool same_type = device_type(recorded.device) == device_type(now.device);
  const bool same_card = recorded.card.empty() || now.card.empty() || recorded.card == now.card;
  if (!same_type || !same_card) {
    return {"The run was on " + device_with_card(recorded) + " and goes on on " +
            device_with_card(now) +
            ": its numbers will not be those of an undisturbed run to the last bit."};
  }
  std::vector<std::string> changes;
  if (recorded.threads > 0 && now.threads > 0 && recorded.threads != now.threads) {
    changes.push_back("The number of CPU threads was " + std::to_string(recorded.threads) +
                      " and is now " + std::to_string(now.threads) +
                      ": the run's numbers will not be those of an undisturbed run to the last "
                      "bit. OMP_NUM_THREADS sets it.");
  }
  if (!recorded.products.empty() && !now.products.empty() && recorded.products != now.products) {
    changes.push_back("The run's float32 products were made by " + recorded.products +
                      " and are now made by " + now.products +
                      ": its numbers will not be those of an undisturbed run to the last bit.");
  }
  return changes;
}

std::string recording_change(const RunManifest& recorded, bool asked) {
  if (recorded.recorded_steps == asked) return "";
  if (asked)
    return "LUTHIER_GRAPHS=on is left aside: the run began without recorded steps, and with them "
           "its "
           "last bits would be others. A new run records them.";
  return "The run began with recorded steps, so its micro-batches stay filled up to their sizes; "
         "without LUTHIER_GRAPHS=on the steps are launched piece by piece.";
}

}  // namespace luthier
