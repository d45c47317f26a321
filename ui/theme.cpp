// SPDX-License-Identifier: GPL-3.0-or-later
// Palettes, fonts and icons of both themes.
#include "ui/theme.h"

#include <QAbstractButton>
#include <QApplication>
#include <QEvent>
#include <QFile>
#include <QFontDatabase>
#include <QPainter>
#include <QPalette>
#include <QPixmapCache>
#include <QSvgRenderer>
#include <QVariant>
#include <QWidget>
#include <algorithm>
#include <utility>
#include <vector>

#include "ui/system_theme.h"
#include "ui/widgets/window_style.h"

namespace luthier {

namespace {

constexpr double kUsualPoints = 10, kProjectorWords = 1.3;

Colours light_colours() {
  Colours c;
  c.window = "#f4f5f7";
  c.card = "#ffffff";
  c.line = "#d9dde3";
  c.text = "#1b1f24";
  c.muted = "#5a6370";
  c.accent = "#0b63b8";
  c.on_accent = "#ffffff";
  c.field = "#ffffff";
  c.warning = "#8a5a00";
  c.error = "#b3261e";
  c.good = "#0a7a53";
  c.series = {QColor("#0072b2"), QColor("#d55e00"), QColor("#009e73"), QColor("#cc79a7"),
              QColor("#e69f00"), QColor("#56b4e9"), QColor("#1b1f24"), QColor("#7a3fd0")};
  c.parts = {QColor("#0072b2"), QColor("#e69f00"), QColor("#cc79a7"), QColor("#009e73"),
             QColor("#56b4e9"), QColor("#4a4f57"), QColor("#d55e00"), QColor("#8a35e0"),
             QColor("#c9ced6"), QColor("#6b3a10")};
  return c;
}

Colours dark_colours() {
  Colours c;
  c.window = "#15171a";
  c.card = "#1d2024";
  c.line = "#353b43";
  c.text = "#e7e9ec";
  c.muted = "#9ca5b1";
  c.accent = "#62adf5";
  c.on_accent = "#0d1116";
  c.field = "#2b3139";
  c.warning = "#f0b849";
  c.error = "#ff8a80";
  c.good = "#4fd1a1";
  c.series = {QColor("#56b4e9"), QColor("#e69f00"), QColor("#00b888"), QColor("#e08fbd"),
              QColor("#f0e442"), QColor("#2f7fd0"), QColor("#e7e9ec"), QColor("#e2703a")};
  c.parts = {QColor("#3a93d0"), QColor("#e69f00"), QColor("#cc79a7"), QColor("#00a87c"),
             QColor("#7cc6f0"), QColor("#56606c"), QColor("#e2703a"), QColor("#f0e442"),
             QColor("#e7e9ec"), QColor("#8348d8")};
  return c;
}

QPalette palette_of(const Colours& c) {
  QPalette p;
  p.setColor(QPalette::Window, c.window);
  p.setColor(QPalette::WindowText, c.text);
  p.setColor(QPalette::Base, c.field);
  p.setColor(QPalette::AlternateBase, c.window);
  p.setColor(QPalette::Text, c.text);
  p.setColor(QPalette::PlaceholderText, c.muted);
  p.setColor(QPalette::Button, c.card);
  p.setColor(QPalette::ButtonText, c.text);
  p.setColor(QPalette::BrightText, c.error);
  p.setColor(QPalette::Link, c.accent);
  p.setColor(QPalette::LinkVisited, c.accent);
  p.setColor(QPalette::Highlight, c.accent);
  p.setColor(QPalette::HighlightedText, c.on_accent);
  p.setColor(QPalette::ToolTipBase, c.card);
  p.setColor(QPalette::ToolTipText, c.text);
  p.setColor(QPalette::Light, c.card.lighter(110));
  p.setColor(QPalette::Midlight, c.line);
  p.setColor(QPalette::Mid, c.line.darker(110));
  p.setColor(QPalette::Dark, c.line.darker(125));
  p.setColor(QPalette::Shadow, c.line.darker(160));
  for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText}) {
    QColor faint = c.muted;
    faint.setAlphaF(0.75f);
    p.setColor(QPalette::Disabled, role, faint);
  }
  p.setColor(QPalette::Disabled, QPalette::Base, c.window);
  p.setColor(QPalette::Disabled, QPalette::Highlight, c.line);
  p.setColor(QPalette::Disabled, QPalette::HighlightedText, c.muted);
  return p;
}

/// Families with figures of one width and Korean beside Latin, those present first.
QStringList body_families() {
  const QStringList wanted{QStringLiteral("Noto Sans CJK KR"), QStringLiteral("Noto Sans KR"),
                           QStringLiteral("Noto Sans"), QStringLiteral("DejaVu Sans"),
                           QStringLiteral("NanumGothic")};
  const QStringList present = QFontDatabase::families();
  QStringList families;
  for (const QString& family : wanted)
    if (present.contains(family)) families << family;
  return families;
}

}  // namespace

Theme& Theme::instance() {
  static Theme theme;
  return theme;
}

void Theme::install(Choice choice) {
  system_dark_ = QGuiApplication::palette().color(QPalette::Window).lightness() < 128;
  QApplication::setStyle(new WindowStyle);
  QFont font = QApplication::font();
  const QStringList families = body_families();
  if (!families.isEmpty()) font.setFamilies(families);
  font.setPointSizeF(kUsualPoints * sized_);
  QApplication::setFont(font);
  choice_ = choice;
  watch_system();
  apply();
}

void Theme::choose(Choice choice) {
  choice_ = choice;
  apply();
}

void Theme::set_text_scale(double scale) {
  text_scale_ = std::clamp(scale, kSmallestText, kLargestText);
  size_words();
}

void Theme::set_projector(bool on) {
  projector_ = on;
  size_words();
}

void Theme::size_words() {
  const double size = text_scale_ * (projector_ ? kProjectorWords : 1);
  const double ratio = size / std::exchange(sized_, size);
  // Widgets with a font of their own keep it when the program's changes; the others follow.
  std::vector<std::pair<QWidget*, QFont>> own;
  for (QWidget* widget : QApplication::allWidgets())
    if (widget->testAttribute(Qt::WA_SetFont)) own.emplace_back(widget, widget->font());
  QFont font = QApplication::font();
  font.setPointSizeF(kUsualPoints * size);
  QApplication::setFont(font);
  // Before the event loop runs, the program's font reaches no widget by itself.
  for (QWidget* widget : QApplication::allWidgets()) {
    QEvent event(QEvent::ApplicationFontChange);
    QApplication::sendEvent(widget, &event);
  }
  for (auto& [widget, before] : own) {
    before.setPointSizeF(before.pointSizeF() * ratio);
    widget->setFont(before);
  }
  emit changed();
}

void Theme::apply() {
  dark_ = choice_ == Choice::Dark || (choice_ == Choice::System && system_dark_);
  colours_ = dark_ ? dark_colours() : light_colours();
  QApplication::setPalette(palette_of(colours_));
  emit changed();
}

void Theme::watch_system() {
  watch_system_theme(this, [this](bool dark) {
    if (system_dark_ == dark) return;
    system_dark_ = dark;
    if (choice_ == Choice::System) apply();
  });
}

QIcon themed_icon(const QString& name, const QColor& colour) {
  // Kept by Qt: a page of a comparison has a hundred of them, and each takes half a millisecond.
  const auto draw = [&name](const QColor& ink) {
    const QString key = QStringLiteral("luthier/%1/%2").arg(name, ink.name());
    QPixmap pixmap;
    if (QPixmapCache::find(key, &pixmap)) return pixmap;
    QFile file(QStringLiteral(":/icons/%1.svg").arg(name));
    if (!file.open(QIODevice::ReadOnly)) return pixmap;
    QByteArray tinted = file.readAll();
    tinted.replace("currentColor", ink.name().toLatin1());
    QSvgRenderer renderer(tinted);
    pixmap = QPixmap(64, 64);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    renderer.render(&painter);
    painter.end();
    QPixmapCache::insert(key, pixmap);
    return pixmap;
  };
  QIcon icon;
  icon.addPixmap(draw(colour.isValid() ? colour : colours().text), QIcon::Normal);
  icon.addPixmap(draw(colours().muted), QIcon::Disabled);
  return icon;
}

void set_themed_icon(QAbstractButton* button, const QString& name) {
  const auto set = [button, name] { button->setIcon(themed_icon(name)); };
  set();
  QObject::connect(&Theme::instance(), &Theme::changed, button, set);
}

namespace {

constexpr char kInkProperty[] = "luthier_ink";

void apply_ink(QWidget* widget) {
  const Colours& c = colours();
  const QColor inks[] = {c.text, c.muted, c.warning, c.error};
  QPalette palette = widget->palette();
  palette.setColor(QPalette::WindowText, inks[widget->property(kInkProperty).toInt()]);
  widget->setPalette(palette);
}

}  // namespace

void set_ink(QWidget* widget, Ink ink) {
  const bool first = !widget->property(kInkProperty).isValid();
  widget->setProperty(kInkProperty, static_cast<int>(ink));
  apply_ink(widget);
  if (first)
    QObject::connect(&Theme::instance(), &Theme::changed, widget, [widget] { apply_ink(widget); });
}

int scaled_length(int usual) {
  const double scale = QApplication::font().pointSizeF() / kUsualPoints;
  return qRound(usual * std::max(1.0, scale));
}

QFont scaled_font(double factor, bool bold) {
  QFont font = QApplication::font();
  font.setPointSizeF(font.pointSizeF() * factor);
  font.setBold(bold);
  return font;
}

QFont code_font(double factor) {
  QFont font = scaled_font(factor);
  font.setFamilies({QStringLiteral("DejaVu Sans Mono"), QStringLiteral("Noto Sans Mono CJK KR"),
                    QStringLiteral("monospace")});
  font.setStyleHint(QFont::Monospace);
  return font;
}

}  // namespace luthier
