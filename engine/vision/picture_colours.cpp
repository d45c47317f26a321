// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/vision/picture_colours.h"

#include "engine/vision/processor_settings.h"

namespace luthier {

Result<PictureColours> picture_colours(const std::filesystem::path& folder) {
  LUTHIER_TRY(const detail::PictureSettings settings,
              detail::read_picture_settings(folder, ProcessorDefaults()));
  detail::CommonSettings common;
  common.mean = common.std = detail::kHalves;
  LUTHIER_CHECK(detail::read_common(settings.config, settings.where, common));
  if (!common.do_normalize) return PictureColours();
  return PictureColours{common.mean, common.std};
}

}  // namespace luthier
