// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA's settings over the tiny checkpoint: their recipe, and an adapter that begins with them.
#pragma once

#include "engine/methods/build_adapter.h"
#include "tests/methods/method_base.h"

namespace luthier::test {

inline Recipe lora_recipe(const MethodBase& base, const QStringList& set) {
  std::vector<std::string> all;
  for (const QString& each : set) all.push_back(each.toStdString());
  return base.recipe("lora", all);
}

inline std::shared_ptr<Adapter> fresh_lora(LoadedModel& loaded, const Recipe& recipe) {
  auto made = create_adapter(loaded, "lora", recipe.adapter, 3);
  if (!made) qFatal("%s", made.error().sentence().c_str());
  return made.take();
}

}  // namespace luthier::test
