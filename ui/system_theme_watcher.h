// SPDX-License-Identifier: GPL-3.0-or-later
// The receiver of the settings portal's signal; used by system_theme.cpp alone (moc wants it in a
// header).
#pragma once

#include <QDBusVariant>
#include <QObject>
#include <functional>

namespace luthier {

class SystemThemeWatcher : public QObject {
  Q_OBJECT

 public:
  SystemThemeWatcher(QObject* parent, std::function<void(bool)> dark_changed);

 private slots:
  void setting_changed(const QString& space, const QString& key, const QDBusVariant& value);

 private:
  void tell(uint scheme);
  std::function<void(bool)> dark_changed_;
};

}  // namespace luthier
