// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/open_weights.h"

#include "engine/hub/folder_kind.h"
#include "engine/models/body_class.h"
#include "engine/models/layer_count.h"

namespace luthier {

Result<CheckpointFiles> open_weights(const std::filesystem::path& folder, const Json& config,
                                     const Family& family, const Model& shapes) {
  auto files = CheckpointFiles::open(folder);
  LUTHIER_CHECK(check_weights(folder, config, files));
  files->put_before(before_tower_names(config));
  LUTHIER_CHECK(check_layers(shapes, family, files->tensors(), config, folder));
  return files;
}

}  // namespace luthier
