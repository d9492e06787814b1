/* Every XML namespace Jackdaw speaks, one line each, by the document that defines it.
 *
 * String literals, so that SPAN(NS_CLIENT) is a span and " xmlns='" NS_CLIENT "'" a literal.
 */
#ifndef JACKDAW_XML_NS_H
#define JACKDAW_XML_NS_H

/* XML itself */
#define NS_XML "http://www.w3.org/XML/1998/namespace"

/* RFC 6120: streams, stanzas, negotiation */
#define NS_STREAM           "http://etherx.jabber.org/streams"
#define NS_CLIENT           "jabber:client"
#define NS_SERVER           "jabber:server"
#define NS_STREAM_ERRORS    "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_STANZA_ERRORS    "urn:ietf:params:xml:ns:xmpp-stanzas"
#define NS_STARTTLS         "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL             "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_SASL_CB          "urn:xmpp:sasl-cb:0"
#define NS_BIND             "urn:ietf:params:xml:ns:xmpp-bind"
#define NS_SESSION          "urn:ietf:params:xml:ns:xmpp-session" /* RFC 3921 section 3 */
#define NS_DIALBACK         "jabber:server:dialback"              /* XEP-0220 */
#define NS_DIALBACK_FEATURE "urn:xmpp:features:dialback"
#define NS_COMPONENT_ACCEPT "jabber:component:accept" /* XEP-0114 */

/* RFC 6121: roster and presence */
#define NS_ROSTER          "jabber:iq:roster"
#define NS_ROSTERVER       "urn:xmpp:features:rosterver"
#define NS_SUB_PREAPPROVAL "urn:xmpp:features:pre-approval"

/* RFC 7395: WebSocket framing */
#define NS_FRAMING "urn:ietf:params:xml:ns:xmpp-framing"

/* RFC 9266, XEP-0440 */
#define NS_SASL_CHANNEL_BINDING "urn:xmpp:sasl-cb:0"

/* Host metadata: RFC 6415, XEP-0156 */
#define NS_XRD               "http://docs.oasis-open.org/ns/xri/xrd-1.0"
#define NS_ALTCONN_WEBSOCKET "urn:xmpp:alt-connections:websocket"
#define NS_ALTCONN_BOSH      "urn:xmpp:alt-connections:xbosh"

/* XEPs, by number */
#define NS_DATA_FORMS       "jabber:x:data"                           /* 0004 */
#define NS_LAST             "jabber:iq:last"                          /* 0012 */
#define NS_DISCO_INFO       "http://jabber.org/protocol/disco#info"   /* 0030 */
#define NS_DISCO_ITEMS      "http://jabber.org/protocol/disco#items"  /* 0030 */
#define NS_ADDRESS          "http://jabber.org/protocol/address"      /* 0033 */
#define NS_MUC              "http://jabber.org/protocol/muc"          /* 0045 */
#define NS_MUC_USER         "http://jabber.org/protocol/muc#user"     /* 0045 */
#define NS_MUC_ADMIN        "http://jabber.org/protocol/muc#admin"    /* 0045 */
#define NS_MUC_OWNER        "http://jabber.org/protocol/muc#owner"    /* 0045 */
#define NS_BOOKMARKS_OLD    "storage:bookmarks"                       /* 0048 */
#define NS_PRIVATE          "jabber:iq:private"                       /* 0049 */
#define NS_ANY_JABBER       "jabber:"                                 /* 0049: reserved */
#define NS_ANY_JABBER_ORG   "http://jabber.org/"                      /* 0049: reserved */
#define NS_COMMANDS         "http://jabber.org/protocol/commands"     /* 0050 */
#define NS_VCARD            "vcard-temp"                              /* 0054 */
#define NS_SEARCH           "jabber:iq:search"                        /* 0055 */
#define NS_RSM              "http://jabber.org/protocol/rsm"          /* 0059 */
#define NS_PUBSUB           "http://jabber.org/protocol/pubsub"       /* 0060 */
#define NS_PUBSUB_EVENT     "http://jabber.org/protocol/pubsub#event" /* 0060 */
#define NS_PUBSUB_OWNER     "http://jabber.org/protocol/pubsub#owner" /* 0060 */
#define NS_PUBSUB_ERRORS    "http://jabber.org/protocol/pubsub#errors"
#define NS_OOB              "jabber:x:oob"                              /* 0066 */
#define NS_REGISTER         "jabber:iq:register"                        /* 0077 */
#define NS_REGISTER_FEATURE "http://jabber.org/features/iq-register"    /* 0077 */
#define NS_CHATSTATES       "http://jabber.org/protocol/chatstates"     /* 0085 */
#define NS_VERSION          "jabber:iq:version"                         /* 0092 */
#define NS_CAPS             "http://jabber.org/protocol/caps"           /* 0115 */
#define NS_CAPS_OPTIMIZE    "http://jabber.org/protocol/caps#optimize"  /* 0115 */
#define NS_VALIDATE         "http://jabber.org/protocol/xdata-validate" /* 0122 */
#define NS_SERVERINFO       "http://jabber.org/network/serverinfo"      /* 0157 */
#define NS_BOSH             "http://jabber.org/protocol/httpbind"       /* 0124 */
#define NS_BOSH_XMPP        "urn:xmpp:xbosh"                            /* 0206 */
#define NS_VCARD_UPDATE     "vcard-temp:x:update"                       /* 0153 */
#define NS_MSGOFFLINE       "msgoffline"                                /* 0160: a disco feature */
#define NS_RECEIPTS         "urn:xmpp:receipts"                         /* 0184 */
#define NS_BLOCKING         "urn:xmpp:blocking"                         /* 0191 */
#define NS_BLOCKING_ERRORS  "urn:xmpp:blocking:errors"                  /* 0191 */
#define NS_SM               "urn:xmpp:sm:3"                             /* 0198 */
#define NS_SM_2             "urn:xmpp:sm:2"                             /* 0198, older */
#define NS_PING             "urn:xmpp:ping"                             /* 0199 */
#define NS_TIME             "urn:xmpp:time"                  /* 0202 with 0082's format */
#define NS_DELAY            "urn:xmpp:delay"                 /* 0203 */
#define NS_EXTDISCO         "urn:xmpp:extdisco:2"            /* 0215 */
#define NS_CONFERENCE       "jabber:x:conference"            /* 0249 */
#define NS_CARBONS          "urn:xmpp:carbons:2"             /* 0280 */
#define NS_CARBONS_RULES    "urn:xmpp:carbons:rules:0"       /* 0280 */
#define NS_FORWARD          "urn:xmpp:forward:0"             /* 0297 */
#define NS_HASHES           "urn:xmpp:hashes:2"              /* 0300 */
#define NS_CORRECT          "urn:xmpp:message-correct:0"     /* 0308 */
#define NS_MAM              "urn:xmpp:mam:2"                 /* 0313 */
#define NS_MAM_EXTENDED     "urn:xmpp:mam:2#extended"        /* 0313 */
#define NS_MAM_GROUPCHAT    "urn:xmpp:mam:2#groupchat-field" /* 0313 */
#define NS_CHAT_MARKERS     "urn:xmpp:chat-markers:0"        /* 0333 */
#define NS_HINTS            "urn:xmpp:hints"                 /* 0334 */
#define NS_CSI              "urn:xmpp:csi:0"                 /* 0352 */
#define NS_JINGLE_MESSAGE   "urn:xmpp:jingle-message:0"      /* 0353 */
#define NS_PUSH             "urn:xmpp:push:0"                /* 0357 */
#define NS_SID              "urn:xmpp:sid:0"                 /* 0359 */
#define NS_HTTP_UPLOAD      "urn:xmpp:http:upload:0"         /* 0363 */
#define NS_OPENPGP          "urn:xmpp:openpgp:0"             /* 0373 */
#define NS_OMEMO            "urn:xmpp:omemo:2"               /* 0384 */
#define NS_OMEMO_AXOLOTL    "eu.siacs.conversations.axolotl" /* 0384, older */
#define NS_BIND2            "urn:xmpp:bind:0"                /* 0386 */
#define NS_SASL2            "urn:xmpp:sasl:2"                /* 0388 */
#define NS_CAPS2            "urn:xmpp:caps"                  /* 0390 */
#define NS_RETRACT          "urn:xmpp:message-retract:1"     /* 0424 */
#define NS_FULLTEXT         "urn:xmpp:fulltext:0"            /* 0431 */
#define NS_REACTIONS        "urn:xmpp:reactions:0"           /* 0444 */
#define NS_FAST             "urn:xmpp:fast:0"                /* 0484 */
#define NS_BOOKMARKS        "urn:xmpp:bookmarks:1"           /* 0402 */

#endif
