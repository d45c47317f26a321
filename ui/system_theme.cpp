// SPDX-License-Identifier: GPL-3.0-or-later
// org.freedesktop.portal.Settings, namespace org.freedesktop.appearance, key color-scheme: 1
// prefers dark, 2 light, 0 says nothing.
#include "ui/system_theme.h"

#include <QDBusConnection>
#include <QDBusMessage>
#include <QDBusPendingCallWatcher>
#include <QDBusPendingReply>
#include <QDBusVariant>

#include "ui/system_theme_watcher.h"

namespace luthier {

namespace {
const QString kService = QStringLiteral("org.freedesktop.portal.Desktop");
const QString kPath = QStringLiteral("/org/freedesktop/portal/desktop");
const QString kInterface = QStringLiteral("org.freedesktop.portal.Settings");
const QString kNamespace = QStringLiteral("org.freedesktop.appearance");
const QString kKey = QStringLiteral("color-scheme");

/// The portal wraps the value in one variant or two.
uint unwrapped(QVariant value) {
  while (value.canConvert<QDBusVariant>()) value = value.value<QDBusVariant>().variant();
  return value.toUInt();
}
}  // namespace

SystemThemeWatcher::SystemThemeWatcher(QObject* parent, std::function<void(bool)> dark_changed)
    : QObject(parent), dark_changed_(std::move(dark_changed)) {
  QDBusConnection bus = QDBusConnection::sessionBus();
  if (!bus.isConnected()) return;
  bus.connect(kService, kPath, kInterface, QStringLiteral("SettingChanged"), this,
              SLOT(setting_changed(QString, QString, QDBusVariant)));
  QDBusMessage read =
      QDBusMessage::createMethodCall(kService, kPath, kInterface, QStringLiteral("Read"));
  read << kNamespace << kKey;
  auto* reply = new QDBusPendingCallWatcher(bus.asyncCall(read), this);
  connect(reply, &QDBusPendingCallWatcher::finished, this, [this, reply] {
    const QDBusPendingReply<QDBusVariant> answer = *reply;
    if (answer.isValid()) tell(unwrapped(answer.value().variant()));
    reply->deleteLater();
  });
}

void SystemThemeWatcher::setting_changed(const QString& space, const QString& key,
                                         const QDBusVariant& value) {
  if (space == kNamespace && key == kKey) tell(unwrapped(value.variant()));
}

void SystemThemeWatcher::tell(uint scheme) {
  if (scheme == 1 || scheme == 2) dark_changed_(scheme == 1);
}

void watch_system_theme(QObject* owner, std::function<void(bool)> dark_changed) {
  new SystemThemeWatcher(owner, std::move(dark_changed));
}

}  // namespace luthier
