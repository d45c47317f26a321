// SPDX-License-Identifier: GPL-3.0-or-later
// The order's own fields of the config.json to be written: put in their places, and refused where
// they would change a half, or where nothing would read them. Internal to the composer.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/lab/compose/connector.h"

namespace luthier {

/// `made`, which the connector made of the halves, with the fields of the order. Input errors name
/// the field as `--set` has it: a section that is not there, a field that goes by the halves, one
/// that neither stands in `made` nor is read by connector and family (found by giving it a value
/// that no reader takes).
Result<Json> with_set_fields(const Json& made, const ConnectorParts& parts, const Connector& row);

/// What a reader of the config.json to be written says, of the field as `order` has it: nobody has
/// such a file yet.
Error said_of_set_field(Error error, const ComposeOrder& order);

}  // namespace luthier
