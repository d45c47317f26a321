// SPDX-License-Identifier: GPL-3.0-or-later
// Whether the desktop is set to dark, asked of the settings portal on the session bus (Qt 6.4 has
// no call for it), now and on change.
#pragma once

#include <QObject>
#include <functional>

namespace luthier {

/// Calls `dark_changed` when the portal answers and at each change, for as long as `owner` lives.
/// Never blocks; silent without a bus.
void watch_system_theme(QObject* owner, std::function<void(bool dark)> dark_changed);

}  // namespace luthier
