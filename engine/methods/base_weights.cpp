// SPDX-License-Identifier: GPL-3.0-or-later
// The methods that hang nothing and change the base's own weights: all of them, or those of the
// parts that are not kept fixed.
#include "engine/methods/layer_steps.h"
#include "engine/methods/method.h"

namespace luthier {

namespace {

bool every_part(const std::string&, const Recipe&) { return true; }

bool parts_not_fixed(const std::string& part, const Recipe& recipe) {
  const FreezeSettings& fixed = recipe.freeze;
  if (part == "vision_tower") return !fixed.vision_tower;
  return part == "projector" ? !fixed.projector : !fixed.language_model;
}

Method of_base(const char* name, bool (*part_trains)(const std::string&, const Recipe&)) {
  Method row(method_kind(name));
  row.part_trains = part_trains;
  return row;
}

}  // namespace

const Method& full_method() {
  static const Method method = of_base("full", every_part);
  return method;
}

const Method& freeze_method() {
  static const Method method = [] {
    Method row = of_base("freeze", parts_not_fixed);
    row.first_steps = layer_steps;
    return row;
  }();
  return method;
}

}  // namespace luthier
